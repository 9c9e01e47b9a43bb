"""The pace of each place, in a time that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from bot.answering.courier import Courier
from bot.chat.content import Answer, AnswerState, Content
from bot.chat.errors import Blocked, PlatformError, Throttled, Unavailable, Unconfirmed
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

    async def run(self, until: float) -> None:
        """Let time pass up to a moment."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            due = min((at for at, wake in self._waiting if not wake.done()), default=None)
            if due is None or due > until:
                self.time = until
                return
            self.time = due
            for at, wake in self._waiting:
                if at <= self.time and not wake.done():
                    wake.set_result(None)
            self._waiting = [(at, wake) for at, wake in self._waiting if not wake.done()]


class Recorder:
    """A platform that writes down what reached it and when, and fails as it is told."""

    name = "recorder"

    def __init__(self, clock: HandClock, *, repeatable: bool = False) -> None:
        self.limits = Limits(4000, 1.1, 3.1, 30, 1000, repeatable_sends=repeatable)
        self.clock = clock
        self.calls: list[tuple[float, str, str, str]] = []
        self.troubles: list[PlatformError] = []
        self._next = 0

    async def start(self, deliver: Deliver) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        self._record(place, "send", content)
        self._next += 1
        return MessageRef(place, str(self._next))

    async def edit(self, ref: MessageRef, content: Content) -> None:
        self._record(ref.place, "edit", content)

    def _record(self, place: Place, what: str, content: Content) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        assert isinstance(content, Answer)
        self.calls.append((self.clock.now(), place.chat, what, content.text))

    def measure(self, text: str) -> Extent:
        return Extent(len(text), 0)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def typing(self, place: Place) -> None: ...


def page(text: str) -> Answer:
    return Answer(text, AnswerState.STREAMING)


A, B = Place("recorder", "a"), Place("recorder", "b")
GROUP = Place("recorder", "g", kind=PlaceKind.GROUP)


async def test_a_private_chat_is_called_at_most_once_in_1_1_s() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    for number in range(4):
        task = asyncio.ensure_future(courier.send(A, page(str(number)), key=str(number)))
        task.add_done_callback(lambda done: done.result())
    await clock.run(60)
    times = [call[0] for call in platform.calls]
    assert [call[3] for call in platform.calls] == ["0", "1", "2", "3"]
    assert [round(b - a, 3) for a, b in pairwise(times)] == [1.1, 1.1, 1.1]


async def test_a_group_is_called_at_most_once_in_3_1_s() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    sends = [asyncio.ensure_future(courier.send(GROUP, page(str(n)), key=str(n))) for n in range(2)]
    await clock.run(60)
    await asyncio.gather(*sends)
    assert round(platform.calls[1][0] - platform.calls[0][0], 3) == 3.1


async def test_only_the_newest_preview_is_shown_and_a_final_replaces_it() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    ref = MessageRef(A, "1")
    for number in range(5):
        courier.preview(ref, page(f"preview {number}"))
    await clock.run(0.5)
    courier.preview(ref, page("late"))
    final = asyncio.ensure_future(courier.edit(ref, page("final")))
    await clock.run(10)
    await final
    assert [call[3] for call in platform.calls] == ["preview 4", "final"]


async def test_a_chat_that_is_told_to_wait_waits_alone() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles = [Throttled(30)]
    slow = asyncio.ensure_future(courier.edit(MessageRef(A, "1"), page("slow")))
    await clock.run(1)
    quick = asyncio.ensure_future(courier.edit(MessageRef(B, "1"), page("quick")))
    await clock.run(2)
    await quick
    assert not slow.done()
    await clock.run(31)
    await slow
    assert [(round(at), text) for at, _, _, text in platform.calls] == [(1, "quick"), (30, "slow")]


async def test_a_final_is_never_given_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles = [Unavailable(), Unconfirmed(), Throttled(5), Unavailable(), Unavailable()]
    final = asyncio.ensure_future(courier.edit(MessageRef(A, "1"), page("last word")))
    await clock.run(300)
    await final
    assert [call[3] for call in platform.calls] == ["last word"]


async def test_a_send_that_may_have_arrived_is_not_repeated() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles = [Unconfirmed()]
    sending = asyncio.ensure_future(courier.send(A, page("once"), key="k"))
    await clock.run(60)
    with pytest.raises(Unconfirmed):
        await sending
    assert platform.calls == []


async def test_unless_the_platform_recognises_a_repeat() -> None:
    clock = HandClock()
    platform = Recorder(clock, repeatable=True)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles = [Unconfirmed()]
    sending = asyncio.ensure_future(courier.send(A, page("once"), key="k"))
    await clock.run(60)
    await sending
    assert [call[3] for call in platform.calls] == ["once"]


async def test_what_can_never_arrive_is_told_and_holds_nothing_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles = [Blocked()]
    first = asyncio.ensure_future(courier.send(A, page("lost"), key="1"))
    second = asyncio.ensure_future(courier.send(A, page("kept"), key="2"))
    await clock.run(60)
    with pytest.raises(Blocked):
        await first
    await second
    assert [call[3] for call in platform.calls] == ["kept"]


async def test_the_sum_of_all_chats_stays_under_the_platforms_rate() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    sends = [asyncio.ensure_future(courier.send(Place("recorder", str(n)), page("x"), key=str(n))) for n in range(120)]
    await clock.run(60)
    await asyncio.gather(*sends)
    times = sorted(call[0] for call in platform.calls)
    for index, start in enumerate(times):
        # One second's allowance may be used at once; after it, thirty a second.
        assert sum(1 for at in times[index:] if at < start + 1) <= 60
    assert times[-1] >= 2.9
