"""The pace of each chat, and who goes first when not everybody can."""

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.answering.budget import Budget
from bot.answering.courier import Call, Courier, Sequel, Urgency
from bot.chat.content import Answer, AnswerState, Attachment, Card
from bot.chat.errors import Blocked, Throttled, Unavailable, Unconfirmed
from bot.chat.places import MessageRef, Place
from tests.answering.world import GROUP, A, B, HandClock, Recorder


def page(text: str) -> Answer:
    return Answer(text, AnswerState.STREAMING)


async def test_a_private_chat_is_called_at_most_once_in_1_1_s() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    for number in range(4):
        task = asyncio.ensure_future(courier.send(A, page(str(number)), key=str(number)))
        task.add_done_callback(lambda done: done.result())
    await clock.run(60)
    times = [made.at for made in platform.calls]
    assert [made.text for made in platform.calls] == ["0", "1", "2", "3"]
    assert [round(b - a, 3) for a, b in pairwise(times)] == [1.1, 1.1, 1.1]


async def test_a_group_is_called_at_most_once_in_3_1_s() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    sends = [asyncio.ensure_future(courier.send(GROUP, page(str(n)), key=str(n))) for n in range(2)]
    await clock.run(60)
    await asyncio.gather(*sends)
    assert round(platform.calls[1].at - platform.calls[0].at, 3) == 3.1


@pytest.mark.parametrize(("apart", "pause"), [(True, 3.3), (False, 1.1)])
async def test_the_files_of_a_card_count_where_they_are_messages(apart: bool, pause: float) -> None:
    clock = HandClock()
    platform = Recorder(clock)
    platform.limits = replace(platform.limits, files_apart=apart)
    courier = Courier({"recorder": platform}, clock)
    files = (Attachment("a.log", "text/plain", b"a"), Attachment("b.png", "image/png", b"b"))
    sends = [
        asyncio.ensure_future(courier.send(A, content, key=key))
        for key, content in (("1", Card("Done", attachments=files)), ("2", Card("And")))
    ]
    await clock.run(60)
    await asyncio.gather(*sends)
    assert round(platform.calls[1].at - platform.calls[0].at, 3) == pause


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
    assert [made.text for made in platform.calls] == ["preview 4", "final"]


async def test_a_chat_that_was_told_to_wait_has_kept_its_place_among_all_that_wait() -> None:
    clock = HandClock()
    platform = Recorder(clock, calls=1)
    courier = Courier({"recorder": platform}, clock)
    places = [Place("recorder", f"chat {number}") for number in range(6)]
    platform.troubles[places[0].chat] = [Throttled(2)]
    for place in places:
        courier.preview(MessageRef(place, "1"), page(place.chat))
        await clock.run(clock.now() + 0.01)
    await clock.run(20)
    assert [made.chat for made in platform.calls] == [f"chat {number}" for number in (1, 2, 0, 3, 4, 5)]


@pytest.mark.parametrize(("calls", "again"), [(30, 3.2), (2, 3.0)])
async def test_a_wait_is_outlasted_by_a_little_unless_it_is_crowded(calls: float, again: float) -> None:
    clock = HandClock()
    platform = Recorder(clock, calls=calls)
    platform.limits = replace(platform.limits, wait_margin=0.2)
    platform.troubles["a"] = [Throttled(3)]
    courier = Courier({"recorder": platform}, clock)
    finals = [asyncio.ensure_future(courier.edit(MessageRef(place, "1"), page("final"))) for place in (B, A)]
    await clock.run(20)
    await asyncio.gather(*finals)
    first, second = [at for at, chat in platform.attempts if chat == "a"]
    assert round(second - first, 3) == again


async def test_a_chat_that_is_told_to_wait_waits_alone() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Throttled(30)]
    slow = asyncio.ensure_future(courier.edit(MessageRef(A, "1"), page("slow")))
    await clock.run(1)
    quick = asyncio.ensure_future(courier.edit(MessageRef(B, "1"), page("quick")))
    await clock.run(2)
    await quick
    assert not slow.done()
    await clock.run(31)
    await slow
    assert [(round(made.at), made.text) for made in platform.calls] == [(1, "quick"), (30, "slow")]


async def test_a_final_is_never_given_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Unavailable(), Unconfirmed(), Throttled(5), Unavailable(), Unavailable()]
    final = asyncio.ensure_future(courier.edit(MessageRef(A, "1"), page("last word")))
    await clock.run(300)
    await final
    assert [made.text for made in platform.calls] == ["last word"]


async def test_a_send_that_may_have_arrived_is_not_repeated() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Unconfirmed()]
    sending = asyncio.ensure_future(courier.send(A, page("once"), key="k"))
    await clock.run(60)
    with pytest.raises(Unconfirmed):
        await sending
    assert platform.calls == []


async def test_unless_the_platform_recognises_a_repeat() -> None:
    clock = HandClock()
    platform = Recorder(clock, repeatable=True)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Unconfirmed()]
    sending = asyncio.ensure_future(courier.send(A, page("once"), key="k"))
    await clock.run(60)
    await sending
    assert [made.text for made in platform.calls] == ["once"]


async def test_but_only_for_as_long_as_it_does() -> None:
    clock = HandClock()
    platform = Recorder(clock, repeatable=True)
    platform.limits = replace(platform.limits, repeat_seconds=10.0)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Unconfirmed() for _ in range(50)]
    sending = asyncio.ensure_future(courier.send(A, page("once"), key="k"))
    await clock.run(600)
    with pytest.raises(Unconfirmed):
        await sending
    first, last = platform.attempts[0][0], platform.attempts[-1][0]
    assert last - first < 20


async def test_what_can_never_arrive_is_told_and_holds_nothing_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    platform.troubles[""] = [Blocked()]
    first = asyncio.ensure_future(courier.send(A, page("lost"), key="1"))
    second = asyncio.ensure_future(courier.send(A, page("kept"), key="2"))
    await clock.run(60)
    with pytest.raises(Blocked):
        await first
    await second
    assert [made.text for made in platform.calls] == ["kept"]


async def test_the_sum_of_all_chats_stays_under_the_platforms_rate() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    sends = [asyncio.ensure_future(courier.send(Place("recorder", str(n)), page("x"), key=str(n))) for n in range(120)]
    await clock.run(60)
    await asyncio.gather(*sends)
    times = sorted(made.at for made in platform.calls)
    for index, start in enumerate(times):
        assert sum(1 for at in times[index:] if at < start + 1 - 1e-9) <= 30
    # Those of a second are spread over it, and none of its calls is lost by that.
    assert times[:15] == [0.0] * 15
    assert max(b - a for a, b in pairwise(times[30:])) < 0.6
    assert times[-1] == pytest.approx(3.7733, abs=0.001)


async def test_an_interval_begins_where_the_platform_may_count_it() -> None:
    clock = HandClock()
    platform = Recorder(clock, takes=0.6)
    courier = Courier({"recorder": platform}, clock)
    sends = [asyncio.ensure_future(courier.send(A, page(str(n)), key=str(n))) for n in range(3)]
    await clock.run(60)
    await asyncio.gather(*sends)
    # A call that took 0.6 s may have been counted at its end.
    begun = [round(at, 3) for at, _ in platform.attempts]
    assert [round(b - a, 3) for a, b in pairwise(begun)] == [1.6, 1.6]


class Wish:
    """Something that wants one call, as urgent as it says."""

    def __init__(self, clock: HandClock, made: list[str], name: str, urgency: Urgency) -> None:
        self.over = False
        self._since, self._urgency = clock.now(), urgency
        self._made, self._name = made, name

    def due(self) -> tuple[Urgency, float] | None:
        return None if self.over else (self._urgency, self._since)

    def take(self) -> Call:
        return self._call

    async def _call(self) -> Sequel | None:
        self._made.append(self._name)
        self.over = True
        return None

    def fail(self, error: Exception) -> bool:
        raise error


async def test_what_is_done_about_a_call_holds_up_its_own_chat_only() -> None:
    clock = HandClock()
    courier = Courier({"recorder": Recorder(clock, calls=1)}, clock)
    made: list[str] = []
    done = asyncio.Event()

    class Keeping(Wish):
        """Its call is followed by something slow."""

        async def _call(self) -> Sequel:
            await super()._call()
            return self._keep

        async def _keep(self) -> None:
            await done.wait()

    courier.show(A, Keeping(clock, made, "first", Urgency.FINAL))
    courier.show(A, Wish(clock, made, "same chat", Urgency.PREVIEW))
    courier.show(B, Wish(clock, made, "other chat", Urgency.PREVIEW))
    await clock.run(10)
    assert made == ["first", "other chat"]
    done.set()
    await clock.run(20)
    assert made == ["first", "other chat", "same chat"]
    await courier.close(1)


async def test_when_not_everybody_can_the_most_urgent_go_first() -> None:
    clock = HandClock()
    courier = Courier({"recorder": Recorder(clock, calls=1)}, clock)
    made: list[str] = []
    wishes = [(urgency, number) for urgency in Urgency for number in range(3)]
    random.Random(7).shuffle(wishes)  # noqa: S311 - any order will do
    for urgency, number in wishes:
        name = f"{urgency.name} {number}"
        courier.show(Place("recorder", name), Wish(clock, made, name, urgency))
    await clock.run(60)
    assert [name.split()[0] for name in made] == [urgency.name for urgency in Urgency for _ in range(3)]


async def test_among_equals_whoever_waits_longest_goes_first() -> None:
    clock = HandClock()
    courier = Courier({"recorder": Recorder(clock, calls=1)}, clock)
    made: list[str] = []
    for number in range(6):
        courier.show(Place("recorder", f"chat {number}"), Wish(clock, made, str(number), Urgency.PREVIEW))
        await clock.run(clock.now() + 0.01)
    await clock.run(60)
    assert made == ["0", "1", "2", "3", "4", "5"]


async def test_a_storm_of_previews_of_one_chat_holds_no_other_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    for number in range(50):
        courier.preview(MessageRef(A, str(number)), page("x"))
    other = asyncio.ensure_future(courier.send(B, page("quick"), key="b"))
    await clock.run(0.1)
    assert other.done()


async def test_a_newer_preview_is_shown_after_the_one_under_way() -> None:
    clock = HandClock()
    platform = Recorder(clock, takes=0.5)
    courier = Courier({"recorder": platform}, clock)
    ref = MessageRef(A, "1")
    courier.preview(ref, page("old"))
    await clock.run(0.2)
    courier.preview(ref, page("new"))
    await clock.run(20)
    assert [made.text for made in platform.calls] == ["old", "new"]


async def test_closing_waits_for_a_last_word_and_drops_previews() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)
    last = asyncio.ensure_future(courier.edit(MessageRef(A, "1"), page("last word")))
    courier.preview(MessageRef(B, "1"), page("first of two"))
    await clock.run(0.1)
    courier.preview(MessageRef(B, "1"), page("never shown"))
    await courier.close(5)
    await clock.run(30)
    assert last.done()
    assert "never shown" not in [made.text for made in platform.calls]


def test_a_burst_does_not_come_again_every_second() -> None:
    """However the first second's calls came, later ones are spread: nobody finds the next half second taken."""
    budget, at = Budget(10), 0.0
    made: list[float] = []
    while len(made) < 100:
        wait = budget.wait(at)
        assert wait is not None
        at += wait
        if wait == 0.0:
            budget.begin(at)
            budget.end(at)
            made.append(at)
    gaps = [b - a for a, b in pairwise(made[80:])]
    assert max(gaps) < 0.3
    assert made[99] - made[19] == pytest.approx(8.0, abs=0.05)


def test_a_call_that_was_told_to_wait_counts_for_nothing_in_the_sum() -> None:
    budget = Budget(2)
    budget.begin(0.0)
    budget.end(0.0)
    for _ in range(2):
        assert budget.wait(0.5) == 0.0
        budget.begin(0.5)
        budget.end(0.5, done=False)
    assert budget.wait(0.5) == 0.0
    budget.begin(0.5)
    assert budget.wait(0.5) == 0.5, "what was done counts for a second after its end"
    budget.end(0.5)
    assert budget.wait(1.1) == 0.0


async def test_what_cannot_be_made_holds_nobody_up() -> None:
    clock = HandClock()
    platform = Recorder(clock)
    courier = Courier({"recorder": platform}, clock)

    class Broken:
        over = False
        failed: Exception | None = None

        def due(self) -> tuple[Urgency, float] | None:
            return None if self.over else (Urgency.FINAL, 0.0)

        def take(self) -> Call | None:
            raise UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "a half")

        def fail(self, error: Exception) -> bool:
            self.failed, self.over = error, True
            return False

    broken = Broken()
    courier.show(A, broken)
    other = asyncio.ensure_future(courier.send(B, page("quick"), key="b"))
    await clock.run(5)
    assert other.done()
    assert isinstance(broken.failed, UnicodeEncodeError)
