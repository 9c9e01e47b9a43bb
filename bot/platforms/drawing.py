"""Small drawings in characters, for platforms that show text only."""

import math
from collections.abc import Sequence
from itertools import pairwise

_BAR_CELLS = 16
_CHART_CELLS = 28
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(share: float | None) -> str:
    """A progress bar of sixteen cells; an empty one where nothing is known."""
    if share is None or not math.isfinite(share):
        return "░" * _BAR_CELLS
    full = math.floor(min(max(share, 0.0), 1.0) * _BAR_CELLS)
    return "█" * full + "░" * (_BAR_CELLS - full)


def sparkline(values: Sequence[float]) -> str:
    """A line of at most 28 cells; empty where no value is known."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    cells = min(len(known), _CHART_CELLS)
    bounds = [index * len(known) // cells for index in range(cells + 1)]
    means = [math.fsum(known[start:end]) / (end - start) for start, end in pairwise(bounds)]
    low, high = min(means), max(means)
    if high == low:
        return _LEVELS[len(_LEVELS) // 2] * cells
    return "".join(_LEVELS[round((mean - low) / (high - low) * (len(_LEVELS) - 1))] for mean in means)
