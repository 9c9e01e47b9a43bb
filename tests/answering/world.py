"""Time that the test moves, and a platform that writes down what reached it and when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bot.chat.content import Answer, Content
from bot.chat.errors import PlatformError, Refused, Unconfirmed, Vanished
from bot.chat.events import Deliver, Upload
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.chat.platform import Extent, Limits


class HandClock:
    """Time that passes when everybody waits for it."""

    def __init__(self) -> None:
        self.time = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.time + seconds, wake))
        await wake

    async def settle(self) -> None:
        """Let everybody do what can be done now."""
        for _ in range(40):
            await asyncio.sleep(0)

    async def run(self, until: float) -> None:
        """Let time pass up to a moment."""
        while True:
            await self.settle()
            due = min((at for at, wake in self._waiting if not wake.done()), default=None)
            if due is None or due > until:
                self.time = until
                return
            self.time = due
            for at, wake in self._waiting:
                if at <= self.time and not wake.done():
                    wake.set_result(None)
            self._waiting = [(at, wake) for at, wake in self._waiting if not wake.done()]


@dataclass(frozen=True)
class Lost:
    """A trouble: the call was done, and its answer never came."""

    error: PlatformError = field(default_factory=Unconfirmed)


@dataclass(frozen=True)
class Made:
    """A call that was done."""

    at: float
    chat: str
    what: str
    text: str


class Recorder:
    """A platform of Telegram's pace that fails as it is told."""

    name = "recorder"

    def __init__(
        self, clock: HandClock, *, repeatable: bool = False, units: int = 4000, calls: float = 30, takes: float = 0.0
    ) -> None:
        self.limits = Limits(units, 1.1, 3.1, calls, 1000, repeatable_sends=repeatable)
        self.clock = clock
        self.calls: list[Made] = []
        self.attempts: list[tuple[float, str]] = []
        self.troubles: dict[str, list[PlatformError | Lost | None]] = {}
        self.messages: dict[str, Content] = {}
        self.gone: set[str] = set()
        self.takes = takes
        self._keys: dict[str, MessageRef] = {}

    async def start(self, deliver: Deliver) -> None: ...

    async def quiet(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        lost = await self._trouble(place)
        if self.limits.repeatable_sends and key in self._keys:
            return self._keys[key]
        ref = MessageRef(place, f"{len(self.messages) + 1}")
        self._keys[key] = ref
        self._done(ref, "send", content)
        if lost:
            raise lost.error
        return ref

    async def edit(self, ref: MessageRef, content: Content) -> None:
        lost = await self._trouble(ref.place)
        if ref.id in self.gone:
            raise Vanished
        self._done(ref, "edit", content)
        if lost:
            raise lost.error

    async def _trouble(self, place: Place) -> Lost | None:
        self.attempts.append((self.clock.now(), place.chat))
        if self.takes:
            await self.clock.sleep(self.takes)
        waiting = self.troubles.get(place.chat) or self.troubles.get("", [])
        trouble = waiting.pop(0) if waiting else None
        if isinstance(trouble, PlatformError):
            raise trouble
        return trouble

    def _done(self, ref: MessageRef, what: str, content: Content) -> None:
        text = content.text if isinstance(content, Answer) else content.title
        self.messages[ref.id] = content
        self.calls.append(Made(round(self.clock.now(), 6), ref.place.chat, what, text))

    def answers(self) -> list[Answer]:
        """All that stands in the chats as answers, oldest first."""
        return [each for number, each in self.messages.items() if isinstance(each, Answer) and number not in self.gone]

    def times(self, chat: str = "a") -> list[float]:
        return [made.at for made in self.calls if made.chat == chat]

    def measure(self, text: str) -> Extent:
        return Extent(len(text.encode("utf-16-le")) // 2, 0)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def typing(self, place: Place) -> None: ...


class DraftingRecorder(Recorder):
    """One where what is being written is seen before it is a message."""

    def __init__(self, clock: HandClock, units: int = 4000) -> None:
        super().__init__(clock, units=units)
        self.drafts: list[Made] = []
        self.knows_drafts = True

    async def draft(self, place: Place, content: Content, *, key: str) -> None:
        await self._trouble(place)
        if not self.knows_drafts:
            raise Refused
        assert isinstance(content, Answer)
        self.drafts.append(Made(round(self.clock.now(), 6), place.chat, key, content.text))


A, B = Place("recorder", "a"), Place("recorder", "b")
GROUP = Place("recorder", "g", kind=PlaceKind.GROUP)
