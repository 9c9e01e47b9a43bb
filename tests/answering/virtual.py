"""An event loop whose time passes as soon as nothing is left to do, and a platform with Telegram's flood control."""

import asyncio
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from benchmarks.streaming_oracle import Numbers
from benchmarks.streaming_peers import staleness
from bot.answering.courier import Courier
from bot.answering.relay import Relay
from bot.chat.content import Answer, Content
from bot.chat.errors import Throttled
from bot.chat.events import Deliver, Upload
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.chat.platform import Extent, Limits
from tests.fakes.telegram.flood import Flood, Rules, Verdict

RATE = 30.0
# Seconds that a call is on its way, there and back.
TRIP = 0.02
STARTS_PER_SECOND = 5
T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    loop: "Loop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.loop.passed += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """Waiting costs nothing."""

    def __init__(self) -> None:
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self.passed = 0.0

    def time(self) -> float:
        """Seconds that passed."""
        return self.passed


def run(main: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, in a time of its own."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


class LoopClock:
    """The loop's time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Call:
    """One call that reached the platform; ``wait`` in seconds, of those that were refused."""

    chat: int
    at: float
    verdict: Verdict
    wait: int
    length: int


class Flooded:
    """A platform of Telegram's pace and flood control."""

    name = "flooded"

    def __init__(self, rules: Rules) -> None:
        self.limits = Limits(4000, 1.1, 3.1, rules.all_calls, 1000, wait_margin=0.2)
        self.calls: list[Call] = []
        self._flood = Flood(rules, LoopClock().now)
        self._sent = 0

    async def start(self, deliver: Deliver) -> None: ...

    async def quiet(self) -> None: ...

    async def stop(self) -> None: ...

    async def typing(self, place: Place) -> None: ...

    def measure(self, text: str) -> Extent:
        return Extent(len(text), 0)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        await self._judge(place, content)
        self._sent += 1
        return MessageRef(place, str(self._sent))

    async def edit(self, ref: MessageRef, content: Content) -> None:
        await self._judge(ref.place, content)

    async def _judge(self, place: Place, content: Content) -> None:
        assert isinstance(content, Answer)
        await asyncio.sleep(TRIP / 2)
        verdict, wait = self._flood.judge(int(place.chat))
        self.calls.append(Call(int(place.chat), LoopClock().now(), verdict, wait, len(content.text)))
        await asyncio.sleep(TRIP / 2)
        if verdict is not Verdict.OK:
            raise Throttled(wait)


@dataclass(frozen=True)
class Streamed:
    """What people saw: when each character of each answer was generated, the calls, and the mean staleness (s)."""

    schedules: list[Numbers]
    calls: list[Call]
    width: int

    def staleness(self) -> float:
        """Mean seconds from a character's generation to its being shown."""
        seconds, characters = 0.0, 0
        for chat, schedule in enumerate(self.schedules, start=1):
            shown = [(call.at, call.length) for call in self.of(chat)]
            assert shown[-1][1] == len(schedule), "the last word was not shown"
            waited, count = staleness(schedule, shown)
            seconds, characters = seconds + waited, characters + count
        return seconds / characters

    def of(self, chat: int) -> list[Call]:
        """The calls of a chat that were done."""
        return [call for call in self.calls if call.chat == chat and call.verdict is Verdict.OK]

    def count(self, *verdicts: Verdict) -> int:
        """Calls that came to one of these."""
        return sum(call.verdict in verdicts for call in self.calls)

    def waits(self) -> dict[int, float]:
        """Of the calls that the storm refused, the share of each wait."""
        waits = Counter(call.wait for call in self.calls if call.verdict is Verdict.STORM)
        return {wait: count / waits.total() for wait, count in waits.items()}


async def stream(chats: int, rules: Rules, seconds: int, width: int = 2) -> Streamed:
    """So many private chats, begun one after the other, each with one answer of so many seconds."""
    platform, clock = Flooded(rules), LoopClock()
    courier = Courier({"flooded": platform}, clock)
    tokens = int(seconds * RATE)
    begun = dict.fromkeys(range(1, chats + 1), 0.0)

    async def converse(chat: int) -> None:
        await clock.sleep(chat / STARTS_PER_SECOND)
        relay = Relay(courier, Place("flooded", str(chat), kind=PlaceKind.PRIVATE), f"answer {chat}")
        relay.begin("…")
        await clock.sleep(0.3)
        begun[chat] = clock.now()
        for token in range(tokens):
            await clock.sleep(max(0.0, begun[chat] + token / RATE - clock.now()))
            relay.grow("x" * width)
        assert await relay.finish("", ()) is None

    await asyncio.gather(*(converse(chat) for chat in begun))
    await courier.close(1)
    schedules = [np.repeat(start + np.arange(tokens) / RATE, width) for start in begun.values()]
    return Streamed(schedules, platform.calls, width)
