"""How long to wait before trying again."""

import random
from collections.abc import Awaitable, Callable

Pause = Callable[[float], Awaitable[object]]


class Backoff:
    """Doubling delays in seconds, between half and the whole of each, so that many bots do not return together."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._delay = first

    def next(self) -> float:
        """The next delay."""
        delay, self._delay = self._delay, min(self._delay * 2, self._longest)
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """It worked: begin anew."""
        self._delay = self._first
