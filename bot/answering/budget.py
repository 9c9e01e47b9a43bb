"""The sum of all calls to one platform."""

from collections import deque
from itertools import islice

# How much of a second the calls of one are spread over: less than all of it, so that none is lost by keeping distance.
_APART = 0.8


class Budget:
    """At most ``calls`` in any second, at once where there was none before: a first word need not wait for its turn.

    A call is counted by the platform at some moment between its beginning and its end. Its second is over one second
    after its end, so that no second of the platform's own counting has more, however long calls are on their way.
    When half of them are taken, the others keep their distance: calls made in one burst would all be free again in one,
    second after second, and a first word that comes just after it would wait for the next.
    One that was told to wait keeps nobody at a distance.
    """

    def __init__(self, calls: float) -> None:
        self._calls = calls
        self._most = max(1, int(calls))
        self._under_way = 0
        self._begun = float("-inf")
        self._ended: deque[float] = deque()

    def divide(self, parts: int) -> None:
        """So many processes share the sum: each keeps to its part."""
        self._most = max(1, int(self._calls / max(1, parts)))

    def wait(self, now: float) -> float | None:
        """Seconds until one more call may be made, 0 if it may be now; None until one that is under way has ended."""
        while self._ended and self._ended[0] <= now - 1.0:
            self._ended.popleft()
        taken = self._under_way + len(self._ended)
        excess = taken - self._most
        if excess < 0:
            apart = _APART / self._most if taken * 2 >= self._most else 0.0
            return max(0.0, self._begun + apart - now)
        freed = next(islice(self._ended, excess, None), None)
        return None if freed is None else freed + 1.0 - now

    def begin(self, now: float) -> None:
        """One call is made."""
        self._under_way += 1
        self._begun = now

    def end(self, now: float, *, done: bool = True) -> None:
        """It came back. One that was told to wait was not ``done``, and counts for nothing."""
        self._under_way -= 1
        if done:
            self._ended.append(now)
        else:
            self._begun = float("-inf")

    def spare(self, now: float) -> bool:
        """Whether a call that nobody would miss may be made too: half of the second is still free."""
        recent = sum(1 for ended in self._ended if ended > now - 1.0)
        return (self._under_way + recent) * 2 < self._most
