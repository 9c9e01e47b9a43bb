"""How fresh answers are in a crowd and in a storm of 429, against the best that the limits allow. Time is simulated."""

import pytest

from benchmarks import streaming_oracle, streaming_storm
from benchmarks.streaming_oracle import Answer
from tests.answering.virtual import run, stream
from tests.fakes.telegram.flood import Rules, Verdict

CHATS, PER_SECOND, SECONDS, FIRST_WORDS = 30, 8, 40, 1.2
# As little more than the best as the promise allows.
MOST = 1.15


def test_in_a_crowded_storm_answers_are_nearly_as_fresh_as_they_can_be() -> None:
    seen = run(stream(CHATS, Rules(all_calls=PER_SECOND, storm=0.3, seed=4), SECONDS))
    share = seen.count(Verdict.STORM) / len(seen.calls)
    least = streaming_storm.bound(seen.schedules, 1.1, PER_SECOND, FIRST_WORDS, share, seen.waits())
    assert seen.count(Verdict.EARNED, Verdict.OFFENCE) == 0
    assert least.staleness <= seen.staleness() <= MOST * least.staleness


def test_in_a_crowd_answers_are_nearly_as_fresh_as_they_can_be() -> None:
    seen = run(stream(CHATS, Rules(all_calls=PER_SECOND), SECONDS))
    answers = [Answer(schedule) for schedule in seen.schedules]
    least = streaming_oracle.bound(answers, 1.1, PER_SECOND, FIRST_WORDS)
    assert seen.count(Verdict.EARNED, Verdict.OFFENCE) == 0
    assert least.staleness <= seen.staleness() <= MOST * least.staleness
    firsts = [seen.of(chat)[0].at - schedule[0] for chat, schedule in enumerate(seen.schedules, start=1)]
    assert max(firsts) <= FIRST_WORDS


def test_without_a_storm_both_oracles_agree() -> None:
    seen = run(stream(4, Rules(), 8))
    knowing = streaming_oracle.bound([Answer(each) for each in seen.schedules], 1.1, 30, FIRST_WORDS)
    ignorant = streaming_storm.bound(seen.schedules, 1.1, 30, FIRST_WORDS, 0.0, {})
    assert ignorant.staleness == pytest.approx(knowing.staleness, abs=0.02)
    assert ignorant.calls == pytest.approx(knowing.calls, abs=0.5)
