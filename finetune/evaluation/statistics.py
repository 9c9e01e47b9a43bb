"""Counts of who won, with what they allow to conclude. Imports scipy where it is needed: for the worker only."""

from collections.abc import Sequence
from dataclasses import dataclass

# Under so many decided comparisons an interval says too little to be shown as a result.
ENOUGH = 20
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class WinRate:
    """Comparisons of a tuned model with something else. Equal and unstable ones decide nothing.

    ``rate``, ``low`` and ``high`` (Wilson's 95 % interval) are of the decided ones, None while there is none.
    ``voters``: how many people or judges they come from.
    """

    wins: int
    losses: int
    equal: int
    unstable: int
    voters: int
    rate: float | None
    low: float | None
    high: float | None

    @property
    def decided(self) -> int:
        """Comparisons with a winner."""
        return self.wins + self.losses

    @property
    def enough(self) -> bool:
        """Whether there are enough to conclude anything."""
        return self.decided >= ENOUGH


def wilson(wins: int, decided: int) -> tuple[float, float]:
    """Wilson's score interval without continuity correction, of ``wins`` among ``decided`` (at least 1)."""
    from scipy.stats import binomtest

    interval = binomtest(wins, decided).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def win_rate(winners: Sequence[str], voters: int) -> WinRate:
    """From ``tuned``, ``other``, ``equal`` and ``unstable``."""
    wins, losses = winners.count("tuned"), winners.count("other")
    equal, unstable = winners.count("equal"), winners.count("unstable")
    if not wins + losses:
        return WinRate(0, 0, equal, unstable, voters, None, None, None)
    low, high = wilson(wins, wins + losses)
    return WinRate(wins, losses, equal, unstable, voters, wins / (wins + losses), low, high)
