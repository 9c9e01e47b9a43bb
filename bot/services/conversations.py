"""Talking: what people say is stored, answered one at a time per conversation, and kept whatever happens.

The person's turn is stored before anything is asked; the answer's turn exists before its first word and is kept up to
date while it grows. A process that dies in the middle leaves an answer that the next one ends honestly.
"""

import asyncio
import logging
from dataclasses import dataclass

from bot.chat.content import Answer, AnswerState
from bot.chat.errors import PlatformError, UserError
from bot.chat.places import MessageRef, Place
from bot.locales import translator
from bot.services.access import Member
from bot.services.replies import Means, Reply, place_of
from storage.repositories import conversations as turns
from storage.tables import Conversation, Turn

log = logging.getLogger(__name__)

_LONGEST_QUESTION = 8_000  # characters


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Answers that were cut off, with their messages; conversations in which somebody still waits."""

    cut: list[tuple[Turn, MessageRef]]
    waiting: list[int]


class Conversations:
    """All conversations of one process."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._database = means.database
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._replies: dict[int, Reply] = {}
        # Conversations in which something new was stored since their worker last looked.
        self._fresh: set[int] = set()
        self._closing = False

    async def _at(self, place: Place) -> Conversation:
        async with self._database.transaction() as session:
            return await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)

    async def ask(self, place: Place, member: Member, text: str, language: str, ref: MessageRef) -> bool:
        """Store what somebody said and see that it is answered. True if another answer is under way before it."""
        question = text.strip()
        if len(question) > _LONGEST_QUESTION:
            raise UserError("question_too_long", limit=_LONGEST_QUESTION, length=len(question))
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
        busy = self._busy(talk.id)
        self._begin(talk.id)
        return busy

    async def stop(self, place: Place) -> bool:
        """Stop the answer under way; the model itself stops. False if there is none."""
        reply = self._replies.get((await self._at(place)).id)
        return reply is not None and reply.stop()

    async def clear(self, place: Place) -> int:
        """Begin anew; returns how many turns were in the context."""
        await self.stop(place)
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            return await turns.clear(session, talk.id)

    async def retry(self, place: Place, answer_id: int | None = None) -> None:
        """Answer the last question again; the former answer leaves the context. Raises ``UserError``."""
        talk = await self._at(place)
        reply = self._replies.get(talk.id)
        if reply is not None and reply.speaking:
            raise UserError("still_answering")
        if self._busy(talk.id):
            # Its last word is shown and only its bookkeeping is left: a quick tap need not be refused.
            await asyncio.wait([self._workers[talk.id]])
        async with self._database.transaction() as session:
            last = await turns.last_answer(session, talk)
            if last is None or last.answer_to is None:
                raise UserError("nothing_to_retry")
            if answer_id is not None and last.id != answer_id:
                raise UserError("answer_not_last")
            await turns.revise(session, last.id, state="superseded")
            await turns.revise(session, last.answer_to, state="waiting")
        self._begin(talk.id)

    async def forget(self, member: Member) -> int:
        """Delete what a person said and was answered."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return await turns.forget(session, member.id)

    async def said_by(self, member: Member) -> list[Turn]:
        """All that a person said and was answered."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return await turns.said_by(session, member.id)

    async def left_over(self) -> LeftOver:
        """What a dead process left half-way, marked so. To be asked before anything new comes in."""
        async with self._database.transaction() as session:
            cut = await turns.in_flight(session)
            found = []
            for answer in cut:
                talk = await turns.get(session, answer.conversation_id)
                await turns.revise(session, answer.id, state="interrupted")
                await turns.answered(session, answer.conversation_id)
                if talk is not None and answer.message is not None:
                    found.append((answer, MessageRef(place_of(talk), answer.message)))
            waiting = [talk.id for talk in await turns.conversations_waiting(session)]
        return LeftOver(found, waiting)

    async def recover(self, left: LeftOver) -> None:
        """End honestly what was cut off, and answer who still waits. Once, after the platforms run."""
        for answer, ref in left.cut:
            await self._mark_interrupted(answer, ref)
        for conversation_id in left.waiting:
            self._begin(conversation_id)

    async def _mark_interrupted(self, answer: Turn, ref: MessageRef) -> None:
        t = translator(answer.language)
        buttons = await self._means.buttons.after(t, answer.id)
        try:
            await self._means.courier.edit(ref, Answer(answer.text, AnswerState.DONE, t("talk.interrupted"), buttons))
        except PlatformError as error:
            log.warning("an interrupted answer could not be marked: %s", type(error).__name__)

    async def close(self) -> None:
        """End all answers under way with what is there, marked as interrupted."""
        self._closing = True
        for reply in self._replies.values():
            reply.interrupt()
        workers = [worker for worker in self._workers.values() if not worker.done()]
        if workers:
            _, late = await asyncio.wait(workers, timeout=6)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _busy(self, conversation_id: int) -> bool:
        worker = self._workers.get(conversation_id)
        return worker is not None and not worker.done()

    def _begin(self, conversation_id: int) -> None:
        self._fresh.add(conversation_id)
        if not self._busy(conversation_id) and not self._closing:
            self._workers[conversation_id] = asyncio.create_task(self._work(conversation_id))

    async def _work(self, conversation_id: int) -> None:
        """Answer until nobody waits."""
        while not self._closing:
            self._fresh.discard(conversation_id)
            async with self._database.transaction() as session:
                waiting = await turns.waiting(session, conversation_id)
                talk = await turns.get(session, conversation_id)
            if not waiting or talk is None:
                if conversation_id in self._fresh:
                    continue
                return
            reply = self._replies[conversation_id] = Reply(self._means, talk, waiting)
            try:
                await reply.run()
            except Exception:
                log.exception("an answer could not be kept")
                return
            finally:
                del self._replies[conversation_id]
