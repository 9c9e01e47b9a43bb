"""Intervals as published, and what is too little."""

import pytest

from finetune.evaluation.statistics import wilson, win_rate

# Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I,
# method 3 (Wilson's score interval without continuity correction).
PUBLISHED = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("wins", "decided", "low", "high"), PUBLISHED)
def test_wilson_as_published(wins: int, decided: int, low: float, high: float) -> None:
    assert wilson(wins, decided) == pytest.approx((low, high), abs=5e-5)


def test_only_decided_comparisons_count() -> None:
    found = win_rate(["tuned"] * 15 + ["other"] * 4 + ["equal"] * 30 + ["unstable"] * 7, 3)
    assert (found.wins, found.losses, found.equal, found.unstable, found.decided) == (15, 4, 30, 7, 19)
    assert found.rate == pytest.approx(15 / 19)
    assert not found.enough
    assert win_rate(["tuned"] * 20, 1).enough


def test_nothing_decided_is_no_rate() -> None:
    found = win_rate(["equal"] * 30, 1)
    assert (found.rate, found.low, found.high, found.enough) == (None, None, None, False)
