"""The sum of all calls to one platform."""

from collections import deque

# Calls leave evenly and arrive less so: the second in which they are counted is taken a little longer.
_SECOND = 1.03


class Budget:
    """At most ``calls`` in any second, at once where there was none before: a first word need not wait for its turn."""

    def __init__(self, calls: float) -> None:
        self._most = max(1, int(calls))
        self._made: deque[float] = deque(maxlen=self._most)

    def wait(self, now: float) -> float:
        """Seconds until one more call may be made; 0 if it may be now."""
        if len(self._made) < self._most:
            return 0.0
        return max(0.0, self._made[0] + _SECOND - now)

    def take(self, now: float) -> None:
        """One call is made."""
        self._made.append(now)

    def spare(self, now: float) -> bool:
        """Whether a call that nobody would miss may be made too: half of the second is still free."""
        recent = sum(1 for made in self._made if made > now - _SECOND)
        return recent * 2 < self._most
