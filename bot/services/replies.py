"""One answer: the context it is given, the model that is read, the turn that is kept, the relay that shows it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering.clock import Clock, within
from bot.answering.courier import Courier
from bot.answering.model import ChatModel, ModelError, Piece, Said
from bot.answering.relay import Buttons, Relay
from bot.answering.repeats import repeats
from bot.answering.thinking import Thinking
from bot.chat.content import Card, Paragraph, Tone
from bot.chat.errors import Blocked, Closed, PlatformError, Unconfirmed
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.locales import Translator, translator
from bot.services.chat_costs import Rates, Spent, settle
from bot.services.growing import Growing
from bot.services.prompts import Count, continued, fit, own_words
from finetune.errors import FineTuneError
from finetune.providers.estimates import chat_rate
from storage.database import Database, until_there
from storage.repositories import chats
from storage.repositories import conversations as turns
from storage.tables import Conversation, Turn

log = logging.getLogger(__name__)

_TYPING_EVERY = 4.0
# Seconds without a first word after which people are told, and after which it is given up.
FIRST_WORD_TOLD = 30.0
FIRST_WORD_GIVEN_UP = 120.0
# Seconds without a further word after which the rest is given up.
SILENCE, _LISTEN_EVERY = 120.0, 10.0
# Waits before a model that is overloaded is asked again: as long as it says itself, else these, in seconds.
BUSY_WAITS = (2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
_LONGEST_BUSY_WAIT = 60.0
_LOOK_FOR_REPEATS_EVERY = 200  # characters
_MUSING = 8_000  # characters
# Seconds that telling what became of an answer may hold up what comes after it.
_TOLD_WITHIN = 60.0
_A_MARK_AND_MORE = 40  # characters
_COUNTED_AT_ONCE = 20_000  # characters
# Why an answer ended that its model had not ended.
_ENDED_EARLY = ("length", "content_filter")


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: a model with the system prompt and sampling that travel with it. ``window``: tokens in all.

    ``label`` is what people call it; ``untuned`` says that it is the base, which people are told once. ``provider``
    and ``base``: whose price its answers have.
    """

    label: str
    system_prompt: str
    sampling: Mapping[str, object]
    window: int
    untuned: bool
    model: ChatModel
    provider: str = ""
    base: str = ""


# Opens the voice that a conversation talks to now (by its number), and holds its endpoint open.
LiveVoice = Callable[[int], AbstractAsyncContextManager[Voice]]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended, for the buttons under it: its ``state``, and whether it could go on."""

    state: str
    unfinished: bool = False


class AnswerButtons(Protocol):
    """The buttons under an answer; what they mean is stored with what else ``session`` stores."""

    async def during(self, t: Translator, answer_id: int, session: AsyncSession) -> Buttons:
        """While the model speaks."""
        ...

    async def after(
        self, t: Translator, answer_id: int, ending: Ending, session: AsyncSession | None = None
    ) -> Buttons:
        """When it is done."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What every reply needs. ``thoughts``: what a model says to itself is shown, folded away."""

    database: Database
    courier: Courier
    voice: LiveVoice
    count: Count
    buttons: AnswerButtons
    clock: Clock
    growing: Growing
    thoughts: bool = False
    rates: Rates = chat_rate


async def _first_of(pieces: AsyncGenerator[Piece]) -> Piece:
    """The first piece that says something: many servers send one at once that only tells whose turn it is."""
    async for piece in pieces:
        if piece.text or piece.thought or piece.finish is not None:
            return piece
    raise StopAsyncIteration


class Reply:
    """Answers what waits in a conversation, once; or goes on with an answer that reached its greatest length."""

    def __init__(
        self,
        means: Means,
        talk: Conversation,
        waiting: Sequence[Turn],
        answer: Turn | None = None,
        going_on_from: str | None = None,
    ) -> None:
        self._means = means
        self._talk = talk
        self._waiting = waiting
        self._before = going_on_from
        self._t = translator(waiting[-1].language)
        self._place = place_of(talk)
        self._notes: list[str] = []
        self._state = "done"
        self._model: str | None = None
        self._spent = Spent()
        # Whether a request is on its way that may cost something, and whether anything came of it.
        self._asked = self._heard = False
        # Whether its first word is awaited, which has a time of its own.
        self._asking = False
        self._told: dict[str, bool] = {}
        self._text: list[str] = []
        self._length = self._looked_at = 0
        # The end of what the model says to itself, and how much came since it was looked at.
        self._musing, self._mused = "", 0
        self._last = Piece()
        self._thinking = Thinking()
        self._pieces_heard = 0
        # The end of what was said.
        self._recent = ""
        self._answer = answer
        self._relay: Relay | None = None
        self._reading: asyncio.Task[None] | None = None
        self._stopped = False
        self._silent = False
        # Set once it is over, its last word shown and kept.
        self.over = asyncio.Event()

    @property
    def speaking(self) -> bool:
        """Whether more may be said; after that only the last word is delivered and kept."""
        return self._reading is None or not self._reading.done()

    @property
    def answer_id(self) -> int | None:
        """The answer that is being made, once it has a turn."""
        return self._answer.id if self._answer else None

    def asked_by(self, person_id: int | None) -> bool:
        """Whether this answers something that a person said."""
        return any(turn.person_id == person_id for turn in self._waiting)

    def stop(self) -> bool:
        """End it as the person wishes; False if it is over already."""
        if self._reading is None or not self.speaking:
            return False
        self._stopped = True
        self._reading.cancel()
        return True

    def interrupt(self) -> None:
        """End it because this process ends."""
        if self._reading is not None:
            self._reading.cancel()

    async def run(self) -> None:
        """From the questions to the last word. What was said is kept, whatever the platform answers."""
        last = self._waiting[-1]
        async with self._means.database.transaction() as session:
            if self._answer is not None and not await turns.is_made(session, self._answer.id):
                return  # another answer was wished for instead
            for turn in self._waiting:
                await turns.revise(session, turn.id, state="answering", answered_with=last.id)
            answer = self._answer or await turns.begin(session, self._talk.id, last.id, last.language)
            stop = await self._means.buttons.during(self._t, answer.id, session)
        self._answer = answer
        in_group = self._place.kind is PlaceKind.GROUP
        reply_to = MessageRef(self._place, last.message) if in_group and last.message else None
        self._relay = relay = Relay(
            self._means.courier, self._place, f"answer:{answer.id}", stop, reply_to, self._standing
        )
        relay.begin(self._t("talk.waiting"))
        try:
            await self._until_end(answer, relay)
            self._means.growing.remove(answer.id)
            # Nobody else has its last words; while the database is away they must not be lost.
            buttons = await until_there(lambda: self._keep(answer), "an answer's end")
            trouble = await relay.finish("\n".join(self._notes), buttons)
            # A process that dies before this gives the last word once more, into the same message where it is known.
            async with self._means.database.transaction() as session:
                await turns.revise(session, answer.id, owed=False)
        finally:
            self._means.growing.remove(answer.id)
            relay.abandon()
        if trouble is not None:
            await self._unshown(trouble)

    async def _standing(self, page: int, ref: MessageRef) -> None:
        """A page has a message: kept at once, so that a restart finds it."""
        assert self._answer is not None
        # Its next words wait until this is stored: a placeholder must not keep the first ones back.
        async with self._means.database.transaction(urgent=True) as session:
            await turns.place(session, self._answer.id, ref.id, page, self._model)
            # Its last word may be kept at the same time, and must not be overwritten.
            await turns.grow(session, {self._answer.id: "".join(self._text)})

    async def _unshown(self, trouble: PlatformError) -> None:
        """The answer is kept, and could not be brought to its chat."""
        log.warning("an answer could not be shown: %s", type(trouble).__name__)
        if isinstance(trouble, Closed):
            # Its chat is told, around the thread.
            await self._say_beside("closed", self._t("talk.topic_closed"), thread="")
        elif isinstance(trouble, Blocked):
            async with self._means.database.transaction() as session:
                await chats.mark(session, self._place.platform, self._place.chat, "shut")
        elif isinstance(trouble, Unconfirmed):
            # It may stand there, and is not sent again unless somebody asks for it.
            await self._say_beside("unsure", self._t("talk.unsure"), passing=True)
        else:
            await self._say_beside("not_shown", self._t("talk.not_shown"))

    async def _say_beside(self, part: str, note: str, *, thread: str | None = None, passing: bool = False) -> None:
        """Tell what became of an answer, in a message of its own. ``passing``: it may well be seen twice."""
        place = self._place if thread is None else replace(self._place, thread=thread)
        card = Card(blocks=(Paragraph(note, Tone.MUTED),), rings=False)
        telling = self._means.courier.send(place, card, key=f"answer:{self.answer_id}:{part}", passing=passing)
        try:
            await within(self._means.clock, _TOLD_WITHIN, telling)
        except (PlatformError, TimeoutError) as error:
            log.warning("what became of an answer could not be told: %s", type(error).__name__)

    async def _until_end(self, answer: Turn, relay: Relay) -> None:
        """Read the model to its end, a stop, an error, or the end of this process."""
        self._reading = asyncio.create_task(self._read(answer, relay))
        try:
            await self._reading
        except asyncio.CancelledError:
            mine = asyncio.current_task()
            if mine is not None and mine.cancelling():
                self._reading.cancel()
                raise
            if self._silent:
                self._fail(self._t("talk.error.cut_off"))
                return
            self._state = "stopped" if self._stopped else "interrupted"
            self._notes.append(self._t(f"talk.{self._state}"))
        except ModelError as error:
            self._fail(self._t(f"talk.error.{error.code}"))
        except FineTuneError as error:
            self._fail(self._t(f"error.{error.code}", **error.fields))
        except Exception:
            log.exception("an answer failed")
            self._fail(self._t("talk.error.broken"))

    def _fail(self, note: str) -> None:
        self._state = "interrupted" if self._length else "failed"
        self._notes.append(note)

    async def _keep(self, answer: Turn) -> Buttons:
        # People wait for the last word until this is stored.
        async with self._means.database.transaction(urgent=True) as session:
            for turn in self._waiting:
                await turns.revise(session, turn.id, state="answered")
            await turns.revise_made(
                session,
                answer.id,
                text="".join(self._text),
                state=self._state,
                model=self._model,
                prompt_tokens=self._last.prompt_tokens,
                completion_tokens=self._last.completion_tokens,
            )
            if self._asked:
                last = self._last
                spent = replace(self._spent, prompt_tokens=last.prompt_tokens, completion_tokens=last.completion_tokens)
                await settle(session, answer, self._waiting[-1].person_id, spent, self._means.rates)
            if self._told:
                talk = await session.get_one(Conversation, self._talk.id)
                for name, value in self._told.items():
                    setattr(talk, name, value)
            # The rest of an answer that did not come to its end is wished for still.
            cut_short = self._before is not None and self._state != "done"
            ending = Ending(self._state, unfinished=cut_short or self._last.finish == "length")
            return await self._means.buttons.after(self._t, answer.id, ending, session)

    async def _read(self, answer: Turn, relay: Relay) -> None:
        async with contextlib.AsyncExitStack() as stack:
            typing = asyncio.create_task(self._keep_typing())
            stack.callback(typing.cancel)
            history = await until_there(self._history, "an answer")
            voice = await until_there(lambda: stack.enter_async_context(self._means.voice(self._talk.id)), "an answer")
            self._model = voice.label
            if relay.ref is not None:
                # It stands there already, and a restart must know whose it is.
                async with self._means.database.transaction() as session:
                    await turns.revise_made(session, answer.id, model=self._model)
            self._spent = Spent(voice.provider, voice.base)
            prompt = await self._prompt(voice, history)
            self._means.growing.add(answer.id, self._text)
            pieces = await stack.enter_async_context(contextlib.aclosing(self._pieces(voice, prompt, relay)))
            async for piece in pieces:
                if not self._pieces_heard:
                    listening = asyncio.create_task(self._listen())
                    stack.callback(listening.cancel)
                self._pieces_heard += 1
                over = self._hear(piece, relay)
                if self._length and not typing.done():
                    typing.cancel()
                if over:
                    break
        if held := self._thinking.end():
            self._speak(held, relay)
        if self._last.finish in _ENDED_EARLY:
            self._notes.append(self._t(f"talk.{self._last.finish}"))
        if not "".join(self._text).strip():
            self._notes.append(self._t("talk.empty"))

    async def _history(self) -> Sequence[Turn]:
        async with self._means.database.reading() as session:
            return await turns.history(session, self._talk, self._waiting[0].id)

    async def _prompt(self, voice: Voice, history: Sequence[Turn]) -> list[Said]:
        if voice.untuned and not self._talk.base_told:
            self._notes.append(self._t("talk.untuned"))
            self._told["base_told"] = True
        before = next((turn.model for turn in reversed(history) if turn.role == "assistant" and turn.model), None)
        if before not in (None, voice.label):
            self._notes.append(self._t("talk.model_now", name=voice.label))
        question = "\n".join(turn.text for turn in self._waiting)
        more: Sequence[Said] = ()
        if self._before is not None:
            more = continued(self._before, self._t("talk.go_on"), prefills=voice.model.prefills)
        own = own_words(voice.label, history)
        fitted = partial(fit, voice, own, question, self._means.count, more)
        # A long history takes its time to be counted, and nobody else's words may wait for that; a thread beside a busy
        # loop takes longer than a short one.
        length = sum(len(turn.text) for turn in own)
        prompt, dropped = fitted() if length < _COUNTED_AT_ONCE else await asyncio.to_thread(fitted)
        prompt += more
        if dropped and not self._talk.trim_told:
            self._notes.append(self._t("talk.trimmed", n=dropped))
            self._told["trim_told"] = True
        if self._means.count(prompt) >= voice.window:
            raise ModelError("too_long")
        return prompt

    async def _pieces(self, voice: Voice, prompt: Sequence[Said], relay: Relay) -> AsyncGenerator[Piece]:
        """What the model says. One that is overloaded before its first word is asked again after a while."""
        for wait in (*BUSY_WAITS, None):
            self._asked = self._asking = True
            try:
                async with contextlib.aclosing(voice.model.stream(prompt, voice.sampling)) as pieces:
                    first = await self._first(pieces, relay)
                    self._asking = False
                    yield first
                    async for piece in pieces:
                        yield piece
            except StopAsyncIteration:
                return
            except ModelError as error:
                # Who refuses takes nothing; who was waited for in vain may have worked all the same.
                self._asked = self._heard or error.code == "no_word"
                if wait is None or not error.passing or self._length or self._last.finish:
                    raise
                pause = min(wait if error.retry_after is None else error.retry_after, _LONGEST_BUSY_WAIT)
                relay.say(self._t("talk.asking_again", seconds=max(1, round(pause))))
                await self._means.clock.sleep(pause)
            else:
                return

    async def _first(self, pieces: AsyncGenerator[Piece], relay: Relay) -> Piece:
        """The first word. People are told when it takes long. Raises :class:`ModelError` when it takes too long."""
        first = asyncio.ensure_future(_first_of(pieces))
        try:
            try:
                return await within(self._means.clock, FIRST_WORD_TOLD, asyncio.shield(first))
            except TimeoutError:
                relay.say(self._t("talk.no_word_yet", seconds=round(FIRST_WORD_TOLD)))
            try:
                return await within(self._means.clock, FIRST_WORD_GIVEN_UP - FIRST_WORD_TOLD, asyncio.shield(first))
            except TimeoutError:
                raise ModelError("no_word") from None
        finally:
            if not first.done():
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)

    def _hear(self, piece: Piece, relay: Relay) -> bool:
        """Take in a piece. True when there is no sense in hearing more."""
        self._heard = True
        if piece.finish is not None or piece.completion_tokens is not None:
            self._last = Piece(
                "",
                piece.finish or self._last.finish,
                piece.prompt_tokens or self._last.prompt_tokens,
                piece.completion_tokens or self._last.completion_tokens,
            )
        thought, said = self._thinking.sort(piece)
        if thought:
            if not self._length:
                relay.say(self._t("talk.thinking"))
            if self._means.thoughts:
                relay.think(thought)
            if self._muses_in_circles(thought):
                return True
        if said:
            self._speak(said, relay)
            self._recent = (self._recent + said)[-_A_MARK_AND_MORE - len(said) :]
            if "</think>" in self._recent:
                self._think_again(relay)
        if self._length - self._looked_at < _LOOK_FOR_REPEATS_EVERY:
            return False
        self._looked_at = self._length
        return self._repeats_itself(relay)

    def _muses_in_circles(self, thought: str) -> bool:
        self._musing += thought
        self._mused += len(thought)
        if self._mused < _LOOK_FOR_REPEATS_EVERY:
            return False
        self._musing, self._mused = self._musing[-_MUSING:], 0
        if not repeats(self._musing):
            return False
        self._notes.append(self._t("talk.repeats"))
        return True

    def _speak(self, said: str, relay: Relay) -> None:
        self._text.append(said)
        self._length += len(said)
        relay.grow(said)

    def _think_again(self, relay: Relay) -> None:
        """What was taken for the answer may have been a thought whose beginning was not sent."""
        text = "".join(self._text)
        parts = self._thinking.unopened(text)
        if parts is None:
            return
        thought, said = parts
        self._text[:], self._length, self._looked_at, self._recent = [], 0, 0, ""
        relay.restart(self._t("talk.was_thought"))
        if self._means.thoughts:
            relay.think(thought)
        if said:
            self._speak(said, relay)

    def _repeats_itself(self, relay: Relay) -> bool:
        text = "".join(self._text)
        again = repeats(text)
        if not again:
            return False
        self._text[:] = [text[:-again]]
        self._length = len(text) - again
        relay.drop(again)
        self._notes.append(self._t("talk.repeats"))
        return True

    async def _listen(self) -> None:
        """End it when the model falls silent: a connection that is kept alive would be open for ever."""
        heard, silence = 0, 0.0
        while silence < SILENCE:
            await self._means.clock.sleep(_LISTEN_EVERY)
            silence = 0.0 if self._asking or heard != self._pieces_heard else silence + _LISTEN_EVERY
            heard = self._pieces_heard
        self._silent = True
        if self._reading is not None:
            self._reading.cancel()

    async def _keep_typing(self) -> None:
        while True:
            await self._means.courier.typing(self._place)
            await self._means.clock.sleep(_TYPING_EVERY)


def place_of(talk: Conversation) -> Place:
    """Where a conversation is."""
    return Place(talk.platform, talk.chat, talk.thread, PlaceKind(talk.kind))
