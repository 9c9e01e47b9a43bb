"""How often a provider is asked about a job, whoever wants to know how often: what it said last holds until then."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from finetune.errors import ProviderUnavailable

_SLOWEST = 600.0
_REMEMBERED = 1000

Said = TypeVar("Said")


@dataclass(slots=True)
class _Last(Generic[Said]):
    due: float
    said: tuple[Said] | None
    error: ProviderUnavailable | None
    failures: int


class Pace(Generic[Said]):
    """Seconds between two questions about a job, more of them the longer nobody answers. ``clock``: monotonic."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: OrderedDict[str, _Last[Said]] = OrderedDict()

    async def ask(self, about: str, ask: Callable[[], Awaitable[Said]]) -> Said:
        """The newest answer, or the one before it where it is too early. Raises what ``ask`` raised, likewise."""
        last = self._last.get(about)
        if last is not None and self._clock() < last.due:
            if last.error is not None:
                raise ProviderUnavailable(last.error.code, **last.error.fields) from last.error
            assert last.said is not None
            return last.said[0]
        try:
            said = await ask()
        except ProviderUnavailable as error:
            failures = last.failures + 1 if last else 1
            pause = error.fields.get("retry_after")
            wait = min(self._seconds * 2 ** min(failures - 1, 10), _SLOWEST)
            if isinstance(pause, int | float):
                wait = max(wait, float(pause))
            self._keep(about, _Last(self._clock() + wait, None, error, failures))
            raise
        self._keep(about, _Last(self._clock() + self._seconds, (said,), None, 0))
        return said

    def now(self, about: str) -> None:
        """There is news: the next question is asked at once."""
        self._last.pop(about, None)

    def _keep(self, about: str, last: _Last[Said]) -> None:
        self._last[about] = last
        self._last.move_to_end(about)
        while len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
