"""Time as something that is passed in, so that nothing here needs sleeping to be tested."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Monotonic seconds, and waiting for them."""

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        """Seconds of ``time.monotonic``."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


async def within(clock: Clock, seconds: float, wanted: Awaitable[T]) -> T:
    """What is wanted. Raises ``TimeoutError`` when it has not come after so many seconds; it is cancelled then."""
    task = asyncio.ensure_future(wanted)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        for each in (task, timer):
            if not each.done():
                each.cancel()
        await asyncio.gather(task, timer, return_exceptions=True)
