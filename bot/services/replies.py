"""One answer: the context it is given, the model that is read, the turn that is kept, the relay that shows it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.answering.clock import Clock
from bot.answering.courier import Courier
from bot.answering.model import ChatModel, ModelError, Piece, Said
from bot.answering.relay import Buttons, Relay
from bot.chat.errors import PlatformError
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.locales import Translator, translator
from finetune.errors import FineTuneError
from storage.database import Database
from storage.repositories import conversations as turns
from storage.tables import Conversation, Turn

log = logging.getLogger(__name__)

_KEEP_EVERY = 2.0  # seconds between two savings of a growing answer
_TYPING_EVERY = 4.0
_USUAL_ANSWER = 512  # tokens kept free for an answer whose sampling names no limit


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: a model with the system prompt and sampling that travel with it. ``window``: tokens in all.

    ``label`` is what people call it; ``untuned`` says that it is the base, which people are told once.
    """

    label: str
    system_prompt: str
    sampling: Mapping[str, object]
    window: int
    untuned: bool
    model: ChatModel


# Opens the voice that plain messages go to now, and holds its endpoint open.
LiveVoice = Callable[[], AbstractAsyncContextManager[Voice]]
Count = Callable[[Sequence[Said]], int]


class AnswerButtons(Protocol):
    """The buttons under an answer."""

    async def during(self, t: Translator, conversation_id: int) -> Buttons:
        """While the model speaks."""
        ...

    async def after(self, t: Translator, answer_id: int) -> Buttons:
        """When it is done."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What every reply needs."""

    database: Database
    courier: Courier
    voice: LiveVoice
    count: Count
    buttons: AnswerButtons
    clock: Clock


class Reply:
    """Answers what waits in a conversation, once."""

    def __init__(self, means: Means, talk: Conversation, waiting: Sequence[Turn]) -> None:
        self._means = means
        self._talk = talk
        self._waiting = waiting
        self._t = translator(waiting[-1].language)
        self._place = place_of(talk)
        self._notes: list[str] = []
        self._state = "done"
        self._model: str | None = None
        self._told: dict[str, bool] = {}
        self._text = ""
        self._last = Piece()
        self._reading: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def speaking(self) -> bool:
        """Whether more may be said; after that only the last word is delivered and kept."""
        return self._reading is None or not self._reading.done()

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
            for turn in self._waiting:
                await turns.revise(session, turn.id, state="answering")
            answer = await turns.add(
                session, self._talk.id, "assistant", "", "answering", language=last.language, answer_to=last.id
            )
        stop = await self._means.buttons.during(self._t, self._talk.id)
        in_group = self._place.kind is PlaceKind.GROUP
        reply_to = MessageRef(self._place, last.message) if in_group and last.message else None
        relay = Relay(self._means.courier, self._place, f"answer:{answer.id}", stop, reply_to)
        await self._until_end(answer, relay)
        await self._keep(answer, relay)
        await relay.finish("\n".join(self._notes), await self._means.buttons.after(self._t, answer.id))
        if relay.ref is not None:
            async with self._means.database.transaction() as session:
                await turns.revise(session, answer.id, message=relay.ref.id)

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
            self._state = "stopped" if self._stopped else "interrupted"
            self._notes.append(self._t(f"talk.{self._state}"))
        except ModelError as error:
            self._fail(self._t(f"talk.error.{error.code}"))
        except FineTuneError as error:
            self._fail(self._t(f"error.{error.code}", **error.fields))
        except PlatformError as error:
            self._fail("")
            log.warning("an answer has no place to be shown: %s", type(error).__name__)
        except Exception:
            log.exception("an answer failed")
            self._fail(self._t("talk.error.broken"))

    def _fail(self, note: str) -> None:
        self._state = "interrupted" if self._text else "failed"
        if note:
            self._notes.append(note)

    async def _keep(self, answer: Turn, relay: Relay) -> None:
        async with self._means.database.transaction() as session:
            for turn in self._waiting:
                await turns.revise(session, turn.id, state="answered")
            await turns.revise(
                session,
                answer.id,
                text=self._text,
                state=self._state,
                model=self._model,
                prompt_tokens=self._last.prompt_tokens,
                completion_tokens=self._last.completion_tokens,
                message=relay.ref.id if relay.ref else None,
            )
            if self._told:
                talk = await session.get_one(Conversation, self._talk.id)
                for name, value in self._told.items():
                    setattr(talk, name, value)

    async def _read(self, answer: Turn, relay: Relay) -> None:
        async with contextlib.AsyncExitStack() as stack:
            typing = asyncio.create_task(self._keep_typing())
            stack.callback(typing.cancel)
            ref = await relay.begin(self._t("talk.waiting"))
            async with self._means.database.transaction() as session:
                await turns.revise(session, answer.id, message=ref.id)
                history = await turns.history(session, self._talk, self._waiting[0].id)
            voice = await stack.enter_async_context(self._means.voice())
            self._model = voice.label
            if voice.untuned and not self._talk.base_told:
                self._notes.append(self._t("talk.untuned"))
                self._told["base_told"] = True
            question = "\n".join(turn.text for turn in self._waiting)
            prompt, dropped = fit(voice, own_words(voice, history), question, self._means.count)
            if dropped and not self._talk.trim_told:
                self._notes.append(self._t("talk.trimmed", n=dropped))
                self._told["trim_told"] = True
            if self._means.count(prompt) >= voice.window:
                raise ModelError("too_long")
            pieces = await stack.enter_async_context(contextlib.aclosing(voice.model.stream(prompt, voice.sampling)))
            kept = self._means.clock.now()
            async for piece in pieces:
                typing.cancel()
                self._hear(piece)
                relay.grow(piece.text)
                if self._means.clock.now() - kept >= _KEEP_EVERY:
                    kept = self._means.clock.now()
                    async with self._means.database.transaction() as session:
                        await turns.revise(session, answer.id, text=self._text)
        if self._last.finish == "length":
            self._notes.append(self._t("talk.length"))
        if not self._text.strip():
            self._notes.append(self._t("talk.empty"))

    def _hear(self, piece: Piece) -> None:
        self._text += piece.text
        self._last = Piece(
            "",
            piece.finish or self._last.finish,
            piece.prompt_tokens or self._last.prompt_tokens,
            piece.completion_tokens or self._last.completion_tokens,
        )

    async def _keep_typing(self) -> None:
        while True:
            await self._means.courier.typing(self._place)
            await self._means.clock.sleep(_TYPING_EVERY)


def fit(voice: Voice, history: Sequence[Turn], question: str, count: Count) -> tuple[list[Said], int]:
    """The prompt: the newest turns that fit the window with room for the answer; and how many were left out."""
    system = [Said("system", voice.system_prompt)] if voice.system_prompt else []
    past = pairs(history)
    wanted = voice.sampling.get("max_tokens")
    room = voice.window - min(wanted if isinstance(wanted, int) else _USUAL_ANSWER, voice.window // 2)
    dropped = 0
    while True:
        prompt = [*system, *(said for pair in past for said in pair), Said("user", question)]
        if not past or count(prompt) <= room:
            return prompt, dropped
        past = past[1:]
        dropped += 2


def own_words(voice: Voice, history: Sequence[Turn]) -> Sequence[Turn]:
    """The turns since this very model answers: what another one said would be imitated, not understood."""
    for index in range(len(history) - 1, -1, -1):
        turn = history[index]
        if turn.role == "assistant" and turn.model != voice.label:
            return history[index + 1 :]
    return history


def pairs(history: Sequence[Turn]) -> list[tuple[Said, Said]]:
    """Turns as question and answer: what several people said before one answer is one question."""
    found: list[tuple[Said, Said]] = []
    asked: list[str] = []
    for turn in history:
        if turn.role == "user":
            asked.append(turn.text)
        elif asked:
            found.append((Said("user", "\n".join(asked)), Said("assistant", turn.text)))
            asked = []
    return found


def place_of(talk: Conversation) -> Place:
    """Where a conversation is."""
    return Place(talk.platform, talk.chat, talk.thread, PlaceKind(talk.kind))
