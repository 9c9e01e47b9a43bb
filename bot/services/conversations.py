"""Talking: what people say is stored, answered one at a time per conversation, and kept whatever happens.

The person's turn is stored before anything is asked; the answer's turn exists before its first word and is kept up to
date while it grows. A process that dies in the middle leaves an answer that the next one ends honestly.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from bot.answering.clock import within
from bot.answering.relay import Relay
from bot.chat.content import Answer, AnswerState
from bot.chat.errors import PlatformError, UserError
from bot.chat.places import MessageRef, Place
from bot.locales import translator
from bot.services.access import Member, Role
from bot.services.chat_costs import settle_cut_off
from bot.services.replies import Ending, Means, Reply, place_of
from storage.clock import now
from storage.database import away
from storage.repositories import chats, feedback, people
from storage.repositories import conversations as turns
from storage.tables import Conversation, Turn

log = logging.getLogger(__name__)

_LONGEST_QUESTION = 8_000  # characters
# Seconds that a tap waits for the last word of the answer under which it is.
_PATIENCE = 3.0


class Conversations:
    """All conversations of one process."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._database = means.database
        self._workers: dict[int, asyncio.Task[None]] = {}
        # Where the conversation of a worker is: platform and chat.
        self._chats: dict[int, tuple[str, str]] = {}
        # Answers of dead processes that are being given their last word.
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._replies: dict[int, Reply] = {}
        # Conversations in which something new was stored since their worker last looked.
        self._fresh: set[int] = set()
        # The rest of an answer, that is to be made, by conversation.
        self._going_on: dict[int, Turn] = {}
        # By conversation, who was told to wait for the answer that is being made.
        self._told: defaultdict[int, set[int | None]] = defaultdict(set)
        self._closing = False

    async def _at(self, place: Place) -> Conversation:
        async with self._database.transaction() as session:
            return await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)

    async def ask(self, place: Place, member: Member, text: str, language: str, ref: MessageRef) -> bool:
        """Store what somebody said and see that it is answered.

        True if another answer is under way before it, and this person was not told so yet.
        """
        question = _checked(text)
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            # A process that died before it noted that it took this message in takes it in again.
            if not await turns.asked(session, talk.id, ref.id):
                await turns.add(
                    session,
                    talk.id,
                    "user",
                    question,
                    "waiting",
                    person_id=member.id,
                    language=language,
                    message=ref.id,
                )
        busy = self._busy(talk.id) and member.id not in self._told[talk.id]
        if busy:
            self._told[talk.id].add(member.id)
        self._begin(talk.id, (talk.platform, talk.chat))
        return busy

    async def reword(self, ref: MessageRef, text: str) -> bool:
        """What a person asked says something else now; counts as long as it waits. False if it changes nothing."""
        question = _checked(text)
        async with self._database.transaction() as session:
            talk = await turns.at(session, ref.place.platform, ref.place.chat, ref.place.thread, ref.place.kind.value)
            return bool(question) and await turns.reword(session, talk.id, ref.id, question)

    async def stop(self, place: Place, member: Member, answer_id: int | None = None) -> bool:
        """Stop the answer under way; the model itself stops. False if there is none, or not this one any more.

        Raises ``UserError`` ``not_yours`` for somebody who neither asked nor leads.
        """
        reply = self._replies.get((await self._at(place)).id)
        if reply is None or (answer_id is not None and reply.answer_id != answer_id):
            return False
        if member.role < Role.LEAD and not reply.asked_by(member.id):
            raise UserError("answer_not_yours")
        return reply.stop()

    async def tidy(self, ref: MessageRef, answer_id: int) -> None:
        """A message still offers to stop an answer that nobody makes any more: let it say how that ended."""
        async with self._database.reading() as session:
            answer = await turns.turn(session, answer_id)
        if answer is None or answer.owed or answer.state == "answering":
            return  # its last word is on its way
        t = translator(answer.language)
        if answer.message not in (None, ref.id):
            await self._bring(answer, ref, "", t("talk.below"), page=0)
            return
        note = t("talk.interrupted") if answer.state == "interrupted" else ""
        await self._bring(answer, ref, answer.text, note, page=answer.page or 0)

    async def clear(self, place: Place, member: Member) -> int:
        """Begin anew; returns how many turns were in the context."""
        await self.stop(place, member)
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            return await turns.clear(session, talk.id)

    async def retry(self, place: Place, member: Member, answer_id: int | None = None) -> None:
        """Answer the last question again; the former answer leaves the context. Raises ``UserError``."""
        talk = await self._quiet(place)
        async with self._database.transaction() as session:
            last = _last(await turns.last_answer(session, talk), answer_id)
            asked = await turns.questions(session, last)
            _may(member, asked)
            for answer in await turns.answers_to(session, talk.id, last.answer_to):
                await turns.revise(session, answer.id, state="superseded", owed=False)
            for turn in asked:
                await turns.revise(session, turn.id, state="waiting")
        self._begin(talk.id, (talk.platform, talk.chat))

    async def go_on(self, place: Place, member: Member, answer_id: int) -> None:
        """Go on with the last answer, which reached its greatest length. Raises ``UserError``."""
        talk = await self._quiet(place)
        async with self._database.transaction() as session:
            last = _last(await turns.last_answer(session, talk), answer_id)
            _may(member, await turns.questions(session, last))
            assert last.answer_to is not None
            # Kept before the person is told, so that a restart goes on, too. Whoever looks for what dead processes left
            # finds it from its commit on, and must know that it is this one's.
            self._going_on[talk.id] = await turns.begin(session, talk.id, last.answer_to, last.language)
        self._begin(talk.id, (talk.platform, talk.chat))

    async def _quiet(self, place: Place) -> Conversation:
        """The conversation of a place in which nothing is being said. Raises ``UserError``."""
        talk = await self._at(place)
        reply = self._replies.get(talk.id)
        if reply is not None and not reply.speaking:
            # Only its last word and its bookkeeping are left: a quick tap need not be refused.
            with suppress(TimeoutError):
                await within(self._means.clock, _PATIENCE, reply.over.wait())
            reply = self._replies.get(talk.id)
        if reply is not None:
            raise UserError("still_answering")
        async with self._database.reading() as session:
            if await turns.waiting(session, talk.id):
                raise UserError("still_answering")  # another question is about to be answered
        return talk

    async def show_last(self, place: Place, key: str) -> None:
        """Show the last answer once more. Raises ``UserError`` if there is none."""
        talk = await self._at(place)
        async with self._database.transaction() as session:
            last = await turns.last_answer(session, talk)
        if last is None or not last.text:
            raise UserError("nothing_answered")
        t = translator(last.language)
        relay = Relay(self._means.courier, place, f"last:{key}")
        relay.begin(t("talk.waiting"))
        relay.grow(last.text)
        await relay.finish("", await self._means.buttons.after(t, last.id, Ending(last.state)))

    async def forget(self, member: Member) -> int:
        """Delete what a person said, was answered, thought of answers and chose about notices."""
        assert member.id is not None
        for reply in self._replies.values():
            if reply.asked_by(member.id):
                reply.stop()
        async with self._database.transaction() as session:
            await feedback.forget(session, member.id)
            await people.forget_choices(session, member.id)
            return await turns.forget(session, member.id)

    async def said_by(self, member: Member) -> list[Turn]:
        """All that a person said and was answered."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return await turns.said_by(session, member.id)

    async def moved(self, place: Place, chat: str) -> None:
        """All that was in a chat goes on under another id."""
        async with self._database.transaction() as session:
            await chats.move(session, place.platform, place.chat, chat)

    async def presence(self, place: Place, *, writable: bool) -> None:
        """Whether the bot may write in a chat has changed."""
        async with self._database.transaction() as session:
            await chats.mark(session, place.platform, place.chat, "open" if writable else "shut")

    async def adopt(self, platform: str, chat: str) -> None:
        """Go on where another process stopped: what it left half-way is ended honestly, who still waits is answered.

        When this returns, all that is marked so; what people see of it comes after.
        """
        async with self._database.reading() as session:
            owed = await turns.owed_in(session, platform, chat)
            waiting = await turns.waiting_in(session, platform, chat)
        cut, going_on, waiting = await self._cut_off(platform, chat) if owed else ([], [], waiting)
        for answer, place in cut:
            ending = self._ending[answer.id] = asyncio.get_running_loop().create_task(
                self._end(answer, place), name=f"{place.platform} {place.chat}"
            )
            ending.add_done_callback(partial(self._ended, answer.id))
        for rest in going_on:
            self._going_on[rest.conversation_id] = rest
        for conversation_id in {*waiting, *(rest.conversation_id for rest in going_on)}:
            self._begin(conversation_id, chat=(platform, chat))

    async def _cut_off(self, platform: str, chat: str) -> tuple[list[tuple[Turn, Place]], list[Turn], list[int]]:
        """Mark what a dead process left half-way in a chat: the answers that are owed a last word and where they stand,
        the rests of answers that are to be made anew, and the conversations in which somebody waits then.
        """
        cut, going_on = [], []
        async with self._database.transaction() as session:
            for answer, talk in await turns.owed_in(session, platform, chat):
                rest = self._going_on.get(talk.id)
                if self._busy(talk.id) or answer.id in self._ending or (rest is not None and rest.id == answer.id):
                    continue
                if answer.state == "answering":
                    await settle_cut_off(session, answer, self._means.rates)
                if answer.state == "answering" and answer.message is None and not answer.text:
                    # Nothing of it was seen: it is answered as if asked just now.
                    if await turns.part_before(session, answer) is None:
                        await turns.revise(session, answer.id, state="superseded", owed=False)
                        await turns.ask_again(session, talk.id)
                    else:
                        # The rest of an answer keeps its place before what was asked meanwhile; what this try takes
                        # has a moment of its own.
                        answer.created_at = now()
                        await turns.answered(session, talk.id)
                        going_on.append(answer)
                    continue
                if answer.state == "answering":
                    answer.state = "interrupted"
                    await turns.answered(session, answer.conversation_id)
                cut.append((answer, place_of(talk)))
            return cut, going_on, await turns.waiting_in(session, platform, chat)

    def _ended(self, answer_id: int, task: asyncio.Task[None]) -> None:
        del self._ending[answer_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # It is still owed: whoever looks for what is left over finds it again.
            log.error("an answer that was cut off was not ended", exc_info=error)

    def busy(self, platform: str, chat: str) -> bool:
        """Whether something is being said in a chat."""
        return (platform, chat) in self._chats.values()

    def abandon(self, platform: str, chat: str) -> None:
        """Another process has this chat: nothing more is said or kept there by this one."""
        for number, worker in tuple(self._workers.items()):
            if self._chats.get(number) == (platform, chat):
                worker.cancel()
        for ending in tuple(self._ending.values()):
            if ending.get_name() == f"{platform} {chat}":
                ending.cancel()

    async def _end(self, answer: Turn, place: Place) -> None:
        """Give an answer its last word, where it stands or else in a new message."""
        note = translator(answer.language)("talk.interrupted") if answer.state == "interrupted" else ""
        ref = MessageRef(place, answer.message) if answer.message is not None else None
        limits = self._means.courier.platform(place).limits
        age = (now() - answer.created_at).total_seconds()
        if ref is None and limits.repeatable_sends and age < limits.repeat_seconds:
            # If it stands there already the platform knows it by its key, and says where.
            waiting = Answer("", AnswerState.WAITING, note)
            with suppress(PlatformError):
                ref = await self._means.courier.send(place, waiting, key=f"answer:{answer.id}.0.1")
        if ref is not None:
            await self._bring(answer, ref, answer.text, note, page=answer.page or 0)
        else:
            relay = Relay(self._means.courier, place, f"answer:{answer.id}:again")
            relay.begin(note)
            relay.grow(answer.text)
            await self._finish(relay, answer, note)
        async with self._database.transaction() as session:
            await turns.revise(session, answer.id, owed=False)

    async def _bring(self, answer: Turn, ref: MessageRef, text: str, note: str, *, page: int) -> None:
        relay = Relay(self._means.courier, ref.place, f"answer:{answer.id}:again")
        relay.resume(text, page, ref)
        await self._finish(relay, answer, note)

    async def _finish(self, relay: Relay, answer: Turn, note: str) -> None:
        t = translator(answer.language)
        async with self._database.reading() as session:
            rest = await turns.part_before(session, answer) is not None
        ending = Ending(answer.state, unfinished=rest and answer.state != "done")
        buttons = await self._means.buttons.after(t, answer.id, ending)
        trouble = await relay.finish(note, buttons)
        if trouble is not None:
            log.warning("the last word of an answer could not be shown: %s", type(trouble).__name__)

    async def close(self, seconds: float) -> None:
        """End all answers under way with what is there, marked as interrupted; so long at most.

        An answer whose last word takes longer gets it from the next process.
        """
        self._closing = True
        for reply in self._replies.values():
            reply.interrupt()
        workers = [worker for worker in (*self._workers.values(), *self._ending.values()) if not worker.done()]
        if workers:
            _, late = await asyncio.wait(workers, timeout=seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._means.growing.close()

    def _busy(self, conversation_id: int) -> bool:
        worker = self._workers.get(conversation_id)
        return worker is not None and not worker.done()

    def _begin(self, conversation_id: int, chat: tuple[str, str]) -> None:
        self._fresh.add(conversation_id)
        if not self._busy(conversation_id) and not self._closing:
            self._chats[conversation_id] = chat
            worker = asyncio.get_running_loop().create_task(self._work(conversation_id))
            self._workers[conversation_id] = worker
            worker.add_done_callback(lambda task: self._left(conversation_id, task))

    def _left(self, conversation_id: int, task: asyncio.Task[None]) -> None:
        if self._workers.get(conversation_id) is task:
            del self._workers[conversation_id], self._chats[conversation_id]

    async def _work(self, conversation_id: int) -> None:
        """Answer until nobody waits."""
        while not self._closing:
            self._fresh.discard(conversation_id)
            reply = await self._next(conversation_id)
            if reply is None:
                if conversation_id in self._fresh:
                    continue
                return
            self._replies[conversation_id] = reply
            self._told.pop(conversation_id, None)
            try:
                await reply.run()
            except Exception as error:
                # It is still owed: whoever looks for what is left over finds it, when the database is back.
                log.error("an answer could not be kept", exc_info=None if away(error) else error)
                return
            finally:
                del self._replies[conversation_id]
                reply.over.set()

    async def _next(self, conversation_id: int) -> Reply | None:
        """What is to be answered now: the rest of an answer that people wish for, else all that waits."""
        going_on = self._going_on.pop(conversation_id, None)
        async with self._database.reading() as session:
            talk = await turns.get(session, conversation_id)
            if talk is None:
                return None
            if going_on is not None:
                parts = await turns.answers_to(session, talk.id, going_on.answer_to)
                said = "".join(part.text for part in parts if part.id < going_on.id)
                asked = await turns.questions(session, going_on)
                # Whoever asked may have had it forgotten meanwhile, or wished for another answer.
                if asked and going_on.id in {part.id for part in parts}:
                    return Reply(self._means, talk, asked, going_on, said)
            waiting = await turns.waiting(session, conversation_id)
        return Reply(self._means, talk, waiting) if waiting else None


def _last(answer: Turn | None, answer_id: int | None) -> Turn:
    if answer is None or answer.answer_to is None:
        raise UserError("nothing_to_retry")
    if answer_id is not None and answer.id != answer_id:
        raise UserError("answer_not_last")
    return answer


def _may(member: Member, asked: Sequence[Turn]) -> None:
    """Whoever asked, or leads. Raises ``UserError``."""
    if member.role < Role.LEAD and not any(turn.person_id == member.id for turn in asked):
        raise UserError("answer_not_yours")


def _checked(text: str) -> str:
    question = text.strip()
    if len(question) > _LONGEST_QUESTION:
        raise UserError("question_too_long", limit=_LONGEST_QUESTION, length=len(question))
    return question
