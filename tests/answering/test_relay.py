"""An answer on its way to a chat, in a time that the test moves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.courier import Courier
from bot.answering.relay import Relay
from bot.chat.content import Answer, AnswerState, Button
from bot.chat.errors import Blocked, Closed, PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished
from bot.chat.places import MessageRef, Place
from tests.answering.world import GROUP, A, B, DraftingRecorder, HandClock, Lost, Recorder

STOP = ((Button("Stop", token="s"),),)
AFTER = ((Button("Again", token="a"),),)


class Answering:
    """One relay on a recorder."""

    def __init__(self, place: Place = A, *, repeatable: bool = False, units: int = 4000, calls: float = 30) -> None:
        self.clock = HandClock()
        self.platform = self.recorder(repeatable=repeatable, units=units, calls=calls)
        self.courier = Courier({"recorder": self.platform}, self.clock)
        self.standing: list[tuple[int, str]] = []
        self.relay = self.another(place)

    def recorder(self, *, repeatable: bool, units: int, calls: float) -> Recorder:
        return Recorder(self.clock, repeatable=repeatable, units=units, calls=calls)

    def another(self, place: Place) -> Relay:
        return Relay(self.courier, place, f"k{place.chat}", STOP, None, self._stands)

    async def _stands(self, page: int, ref: MessageRef) -> None:
        self.standing.append((page, ref.id))

    async def says(self, words: Sequence[str], every: float) -> None:
        """The model says so much, evenly."""
        for word in words:
            self.relay.grow(word)
            await self.clock.run(self.clock.now() + every)

    async def ends(self, note: str = "", within: float = 600) -> PlatformError | None:
        last = asyncio.ensure_future(self.relay.finish(note, AFTER))
        await self.clock.run(self.clock.now() + within)
        return await asyncio.wait_for(last, 1)

    @property
    def texts(self) -> list[str]:
        return [made.text for made in self.platform.calls]


class Drafted(Answering):
    """One relay where drafts are to be had."""

    platform: DraftingRecorder

    def recorder(self, *, repeatable: bool, units: int, calls: float) -> Recorder:
        return DraftingRecorder(self.clock, units)


async def test_a_draft_grows_and_its_last_word_is_a_message() -> None:
    one = Drafted()
    one.relay.begin("wait")
    one.relay.grow("The tea leaves settle slowly, and say")
    await one.clock.run(3)
    one.relay.grow(" yes")
    await one.clock.run(6)
    assert [made.text for made in one.platform.drafts] == [
        "The tea leaves settle slowly, and say",
        "The tea leaves settle slowly, and say yes",
    ]
    assert one.platform.calls == []
    one.relay.grow(".")
    assert await one.ends() is None
    assert [(made.what, made.text) for made in one.platform.calls] == [
        ("send", "The tea leaves settle slowly, and say yes.")
    ]
    assert len(one.platform.drafts) == 2


async def test_a_draft_stays_while_the_model_is_silent_and_goes_with_the_last_word() -> None:
    one = Drafted()
    one.relay.begin("wait")
    one.relay.grow("The tea leaves settle slowly, and say")
    await one.clock.run(100)
    times = [made.at for made in one.platform.drafts]
    assert times[0] < 1
    assert all(later - sooner < 30 for sooner, later in pairwise([*times, 100.0]))
    assert len(times) <= 7
    assert await one.ends() is None
    await one.clock.run(one.clock.now() + 100)
    assert [made.at for made in one.platform.drafts] == times


async def test_a_draft_of_what_was_taken_back_is_let_go() -> None:
    one = Drafted(units=150)
    one.relay.begin("wait")
    one.relay.grow("word " * 90)
    await one.clock.run(8)
    assert {made.what for made in one.platform.calls} == {"send"}
    assert one.platform.drafts
    one.relay.restart("that was a thought")
    one.relay.grow("What the tea leaves say in the end")
    await one.clock.run(100)
    assert await one.ends() is None
    assert one.platform.answers()[0].text == "What the tea leaves say in the end"


async def test_a_page_that_may_have_taken_its_drafts_place_is_not_sent_again() -> None:
    one = Drafted(units=150)
    one.relay.begin("wait")
    one.relay.grow("word0 The tea leaves settle slowly, and say")
    await one.clock.run(10)
    one.platform.takes = 25.0
    one.platform.troubles["a"] = [Unconfirmed()]
    one.relay.grow("".join(f" word{number}" for number in range(1, 60)))
    assert isinstance(await one.ends(), Unconfirmed)
    assert not any("word0" in text for text in one.texts)
    assert one.texts[-1].endswith("word59")


async def test_a_placeholder_that_is_a_draft_stays_as_long_as_it_is_waited() -> None:
    one = Drafted()
    one.relay.begin("wait")
    await one.clock.run(100)
    times = [made.at for made in one.platform.drafts]
    assert all(later - sooner < 30 for sooner, later in pairwise([*times, 100.0]))
    assert len(times) <= 7
    one.platform.knows_drafts = False
    await one.clock.run(130)
    # It goes on as a message.
    assert [each.state for each in one.platform.answers()] == [AnswerState.WAITING]
    one.relay.grow("Short.")
    assert await one.ends() is None


async def test_where_no_drafts_are_to_be_had_messages_are_edited() -> None:
    one = Drafted()
    one.platform.knows_drafts = False
    one.relay.begin("wait")
    one.relay.grow("The tea leaves settle slowly, and say")
    await one.clock.run(3)
    one.relay.grow(" yes.")
    assert await one.ends() is None
    assert [made.what for made in one.platform.calls] == ["send", "edit", "edit"]
    # A draft was tried once.
    assert len(one.platform.attempts) == 4


async def test_a_first_word_waits_for_company_but_not_for_long() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.clock.run(0.2)
    one.relay.grow("Hm")
    await one.clock.run(0.8)
    assert one.texts == []
    await one.clock.run(1.0)
    assert one.texts == ["Hm"]
    assert one.platform.times() == [0.9]


async def test_a_word_that_is_long_in_coming_is_announced() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.clock.run(1.5)
    assert [(each.state, each.note) for each in one.platform.answers()] == [(AnswerState.WAITING, "wait")]
    one.relay.grow("Hm")
    await one.clock.run(3)
    assert one.texts == ["", "Hm"]
    assert one.platform.times() == [0.9, 2.3]


async def test_thirty_units_are_worth_the_first_message_at_once() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.clock.run(0.3)
    one.relay.grow("The tea leaves settle slowly, and say")
    await one.clock.run(0.31)
    assert one.platform.times() == [0.3]
    assert one.platform.answers()[0].state is AnswerState.STREAMING
    assert one.platform.answers()[0].buttons == STOP


@pytest.mark.parametrize(("crowd", "first"), [(False, 0.9), (True, 1.1)])
async def test_in_a_crowd_a_first_message_waits_for_some_more_words(crowd: bool, first: float) -> None:
    one = Answering(calls=2)
    one.relay.begin("wait")
    await one.clock.run(0.3)
    one.relay.grow("Hm")
    await one.clock.run(0.5)
    if crowd:
        one.courier.preview(MessageRef(B, "1"), Answer("elsewhere", AnswerState.STREAMING))
    await one.clock.run(3)
    assert one.platform.times("a")[0] == pytest.approx(first)


async def test_words_go_before_the_placeholders_of_others() -> None:
    one = Answering(calls=1)
    other = Relay(one.courier, B, "answer:2")
    finals = [
        asyncio.ensure_future(one.courier.edit(MessageRef(Place("recorder", chat), "1"), Answer("", AnswerState.DONE)))
        for chat in ("first second", "next second")
    ]
    other.begin("wait")
    await one.clock.run(0.5)
    one.relay.begin("wait")
    one.relay.grow("Hm")
    await one.clock.run(5)
    await asyncio.gather(*finals)
    # The other's placeholder was due sooner.
    assert [made.chat for made in one.platform.calls] == ["first second", "next second", A.chat, B.chat]


async def test_a_group_is_shown_no_placeholder_that_would_hold_the_first_words_up() -> None:
    one = Answering(GROUP)
    one.relay.begin("wait")
    await one.clock.run(3.5)
    assert one.texts == []
    one.relay.grow("The tea leaves settle slowly, and say")
    await one.clock.run(3.6)
    assert one.platform.times("g") == [3.5]


async def test_the_newest_words_are_shown_at_the_pace_of_the_chat() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.says([f"word{n:03} " for n in range(300)], 1 / 30)
    await one.ends()
    times = one.platform.times()
    assert all(b - a >= 1.1 - 1e-6 for a, b in pairwise(times))
    assert max(b - a for a, b in pairwise(times)) < 1.15
    assert len(times) <= 11  # one every 1.1 s of ten seconds, and the last word
    assert one.platform.answers()[0].text == "".join(f"word{n:03} " for n in range(300)).strip()
    assert one.platform.answers()[0].buttons == AFTER
    assert one.standing == [(0, "1")]


async def test_a_model_is_never_held_up_by_a_chat() -> None:
    one = Answering()
    one.platform.troubles["a"] = [Throttled(60)]
    one.relay.begin("wait")
    for _ in range(10_000):
        one.relay.grow("word ")
    assert one.clock.now() == 0
    assert await one.ends() is None
    assert "".join(each.text for each in one.platform.answers()).replace("\n", " ").count("word") == 10_000


async def test_only_the_chat_that_was_told_to_wait_waits_and_its_last_word_comes_as_soon_as_it_may() -> None:
    one = Answering()
    other = one.another(B)
    one.relay.begin("wait")
    other.begin("wait")
    one.relay.grow("The beginning of a long story that")
    other.grow("The beginning of another story that")
    await one.clock.run(0.5)
    one.platform.troubles["a"] = [Throttled(20)]
    one.relay.grow(" goes on")
    last = asyncio.ensure_future(one.relay.finish("", AFTER))
    for second in range(1, 6):
        other.grow(f" and on {second}")
        await one.clock.run(second)
    assert len(one.platform.times("b")) >= 4
    await one.clock.run(40)
    assert last.done()
    # Told to wait at 1.1 s, for 20.
    assert one.platform.times("a") == [0.0, pytest.approx(21.1)]


async def test_what_does_not_fit_goes_on_in_a_next_message() -> None:
    one = Answering(units=400)
    one.relay.begin("wait")
    words = [f"Sentence number {n} of the oracle. " for n in range(60)]
    await one.says(words, 0.1)
    await one.ends("stopped")
    shown = one.platform.answers()
    assert len(shown) >= 5
    assert " ".join(each.text for each in shown).split() == "".join(words).split()
    assert [bool(each.buttons) for each in shown] == [False] * (len(shown) - 1) + [True]
    assert [each.note for each in shown] == [""] * (len(shown) - 1) + ["stopped"]
    assert all(len(each.text) <= 400 for each in shown)
    assert [page for page, _ in one.standing] == list(range(len(shown)))
    # A page that is full is never touched again.
    last_touch = {}
    for index, made in enumerate(one.platform.calls):
        last_touch[made.text] = index
    assert list(last_touch) == sorted(last_touch, key=last_touch.__getitem__)


async def test_every_state_of_a_page_can_be_read() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.says(
        list("Some **very bold** words\n\n```python\nprint(1)\n```\nand [a link](https://example.org)."), 0.3
    )
    await one.ends()
    for text in one.texts:
        assert text.count("**") % 2 == 0
        assert text.count("```") % 2 == 0
        assert "](" not in text or "org)" in text


async def test_an_edit_that_may_have_arrived_is_made_again() -> None:
    one = Answering()
    one.relay.begin("wait")
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(0.5)
    one.platform.troubles["a"] = [Lost(), Unconfirmed(), Unavailable()]
    one.relay.grow(" ends.")
    assert await one.ends() is None
    assert [each.text for each in one.platform.answers()] == ["The beginning of a long story that ends."]


async def test_a_last_word_that_may_have_arrived_is_not_sent_again() -> None:
    one = Answering()
    one.platform.troubles["a"] = [Lost()]
    one.relay.begin("wait")
    one.relay.grow("Short.")
    assert isinstance(await one.ends(), Unconfirmed)
    assert [each.text for each in one.platform.answers()] == ["Short."]


async def test_where_repeats_are_recognised_it_is_sent_again() -> None:
    one = Answering(repeatable=True)
    one.platform.troubles["a"] = [Lost(), Unconfirmed()]
    one.relay.begin("wait")
    one.relay.grow("Short.")
    assert await one.ends() is None
    assert [each.text for each in one.platform.answers()] == ["Short."]


async def test_where_repeats_are_recognised_what_came_meanwhile_is_shown_too() -> None:
    """The platform answers a repeat with the message of the first attempt, which shows what was known then."""
    one = Answering(repeatable=True)
    one.platform.troubles["a"] = [Lost()]
    one.relay.begin("wait")
    await one.clock.run(1.0)
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(10)
    assert [each.text for each in one.platform.answers()] == ["The beginning of a long story that"]
    one.relay.grow(" ends.")
    assert await one.ends() is None
    assert [each.text for each in one.platform.answers()] == ["The beginning of a long story that ends."]
    assert one.standing == [(0, "1")]


async def test_a_repeat_is_not_made_when_it_would_not_be_recognised_any_more() -> None:
    one = Answering(repeatable=True)
    one.platform.limits = replace(one.platform.limits, repeat_seconds=3.0)
    one.platform.troubles["a"] = [Unconfirmed() for _ in range(20)]
    one.relay.begin("wait")
    one.relay.grow("Short.")
    assert isinstance(await one.ends(), Unconfirmed)
    # The first word, its repeats for three seconds, and the one that came after.
    assert 2 <= len(one.platform.attempts) <= 4


async def test_a_first_message_that_may_have_arrived_leaves_one_last_word() -> None:
    one = Answering()
    one.platform.troubles["a"] = [Lost()]
    one.relay.begin("wait")
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(0.5)
    one.relay.grow(" ends.")
    assert await one.ends() is None
    assert [each.text for each in one.platform.answers()].count("The beginning of a long story that ends.") == 1


@pytest.mark.parametrize("trouble", [Lost(), Unconfirmed(), Refused()])
async def test_a_page_that_may_not_stand_there_keeps_none_of_the_others_back(trouble: PlatformError | Lost) -> None:
    one = Answering(units=150)
    one.platform.troubles["a"] = [trouble]
    one.relay.begin("wait")
    words = [f"word{number} " for number in range(60)]
    one.relay.grow("".join(words))
    expected = Refused if isinstance(trouble, Refused) else Unconfirmed
    assert isinstance(await one.ends(within=300), expected)
    shown = " ".join(each.text for each in one.platform.answers()).split()
    assert shown[-1] == "word59"
    assert len(one.platform.answers()) >= 2
    assert (shown == "".join(words).split()) == isinstance(trouble, Lost)


async def test_a_message_that_was_deleted_is_sent_anew() -> None:
    one = Answering()
    one.relay.begin("wait")
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(0.5)
    one.platform.gone.add("1")
    one.relay.grow(" goes on")
    await one.clock.run(5)
    one.relay.grow(" and ends.")
    assert await one.ends() is None
    assert [each.text for each in one.platform.answers()] == ["The beginning of a long story that goes on and ends."]


@pytest.mark.parametrize("error", [Blocked(), Closed()])
async def test_a_chat_that_is_shut_is_told_to_whoever_keeps_the_answer(error: PlatformError) -> None:
    one = Answering()
    one.relay.begin("wait")
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(0.5)
    one.platform.troubles["a"] = [error]
    one.relay.grow(" ends.")
    assert await one.ends() is error
    assert one.relay.over


async def test_a_preview_that_is_refused_is_passed_over() -> None:
    one = Answering()
    one.relay.begin("wait")
    one.relay.grow("The beginning of a long story that")
    await one.clock.run(0.5)
    one.platform.troubles["a"] = [Refused("odd")]
    one.relay.grow(" goes on")
    await one.clock.run(3)
    one.relay.grow(" and ends.")
    assert await one.ends() is None
    assert one.platform.answers()[0].text.endswith("and ends.")


async def test_what_is_waited_for_is_said_before_the_first_word() -> None:
    one = Answering()
    one.relay.begin("wait")
    await one.clock.run(0.2)
    one.relay.say("busy, again in 2 s")
    await one.clock.run(0.3)
    assert one.platform.answers()[0].note == "busy, again in 2 s"
    one.relay.say("busy, again in 4 s")
    await one.clock.run(3)
    assert one.platform.answers()[0].note == "busy, again in 4 s"
    one.relay.grow("Now then.")
    await one.ends()
    assert (one.platform.answers()[0].text, one.platform.answers()[0].note) == ("Now then.", "")


async def test_what_was_said_twice_is_taken_back() -> None:
    one = Answering()
    one.relay.begin("wait")
    one.relay.grow("So it is. " + "No. " * 30)
    await one.clock.run(2)
    one.relay.drop(4 * 29)
    await one.ends()
    assert one.platform.answers()[0].text == "So it is. No."


async def test_thoughts_stand_before_the_first_page_only() -> None:
    one = Answering(units=200)
    one.relay.begin("wait")
    one.relay.think("Where is the moon? ")
    one.relay.grow("Words of the oracle. " * 20)
    await one.ends()
    assert [each.thought for each in one.platform.answers()] == ["Where is the moon?", "", ""]


async def test_an_answer_that_was_cut_off_goes_on_where_it_stands() -> None:
    one = Answering(units=200)
    one.relay.begin("wait")
    await one.says([f"Sentence {n} of the oracle. " for n in range(30)], 0.5)
    one.relay.abandon()
    page, number = one.standing[-1]
    assert page >= 1
    text = "".join(f"Sentence {n} of the oracle. " for n in range(30))
    again = one.another(A)
    before = len(one.platform.calls)
    again.resume(text, page, MessageRef(A, number))
    last = asyncio.ensure_future(again.finish("interrupted", AFTER))
    await one.clock.run(60)
    assert await last is None
    assert one.platform.calls[before].what == "edit"
    shown = one.platform.answers()
    assert " ".join(each.text for each in shown).split() == text.split()
    assert (shown[-1].note, shown[-1].buttons) == ("interrupted", AFTER)


async def test_an_answer_of_which_less_was_kept_than_shown_is_marked_all_the_same() -> None:
    one = Answering(units=200)
    again = one.another(A)
    one.platform.messages["9"] = one.platform.messages["8"] = one.platform.messages["7"] = None  # type: ignore[assignment]
    again.resume("Only a little.", 2, MessageRef(A, "9"))
    last = asyncio.ensure_future(again.finish("interrupted", AFTER))
    await one.clock.run(60)
    assert await last is None
    assert [made.what for made in one.platform.calls] == ["edit"]


TROUBLE = st.one_of(
    st.builds(Throttled, st.floats(0.1, 30)),
    st.just(Unavailable()),
    st.none(),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(TROUBLE, max_size=30),
    st.lists(st.tuples(st.text(alphabet="ab \n*`龙", max_size=90), st.floats(0, 2)), max_size=30),
)
def test_whatever_the_platform_answers_the_last_word_stands_there_once(
    troubles: list[PlatformError | None], words: list[tuple[str, float]]
) -> None:
    asyncio.run(_through(troubles, words))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(TROUBLE, st.builds(Refused), st.builds(Unconfirmed), st.builds(Lost), st.builds(Vanished)),
        max_size=20,
    ),
    st.lists(st.tuples(st.text(alphabet="ab \n*`龙", max_size=90), st.floats(0, 2)), max_size=30),
)
def test_what_is_said_to_be_shown_is_shown(
    troubles: list[PlatformError | Lost | None], words: list[tuple[str, float]]
) -> None:
    asyncio.run(_honest(troubles, words))


async def _honest(troubles: list[PlatformError | Lost | None], words: list[tuple[str, float]]) -> None:
    one = Answering(units=150)
    one.platform.troubles["a"] = list(troubles)
    one.relay.begin("wait")
    for word, pause in words:
        one.relay.grow(word)
        await one.clock.run(one.clock.now() + pause)
    trouble = await one.ends(within=3000)
    said = "".join(word for word, _ in words)
    plain = str.maketrans("", "", "`* \n")
    done = [each.text for each in one.platform.answers() if each.state is AnswerState.DONE]
    if trouble is None:
        assert "".join(done).translate(plain) == said.translate(plain)


async def _through(troubles: list[PlatformError | None], words: list[tuple[str, float]]) -> None:
    one = Answering(units=150)
    one.platform.troubles["a"] = list(troubles)
    one.relay.begin("wait")
    for word, pause in words:
        one.relay.grow(word)
        await one.clock.run(one.clock.now() + pause)
    assert await one.ends(within=3000) is None
    shown = one.platform.answers()
    said = "".join(word for word, _ in words)
    plain = str.maketrans("", "", "`* \n")
    assert "".join(each.text for each in shown).translate(plain) == said.translate(plain)
    assert [each.state for each in shown] == [AnswerState.DONE] * len(shown)
    times = [at for at, _ in one.platform.attempts]
    assert all(b - a >= 0.1 - 1e-6 for a, b in pairwise(times))
