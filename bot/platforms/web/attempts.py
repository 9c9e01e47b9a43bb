"""How often somebody may try."""

from collections import deque
from collections.abc import Callable


class Attempts:
    """At most ``limit`` attempts in ``window`` seconds for each source; ``clock`` gives seconds, monotonic."""

    def __init__(self, limit: int, window: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}

    def wait(self, source: str) -> float:
        """Count an attempt. 0 if it may go ahead, else the seconds until the next one may."""
        now = self._clock()
        self._forget(now)
        seen = self._seen.setdefault(source, deque())
        if len(seen) >= self._limit:
            return self._window - (now - seen[0])
        seen.append(now)
        return 0.0

    def _forget(self, now: float) -> None:
        for source, seen in list(self._seen.items()):
            while seen and now - seen[0] >= self._window:
                seen.popleft()
            if not seen:
                del self._seen[source]
