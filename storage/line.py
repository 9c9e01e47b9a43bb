"""Who may write next."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Line:
    """One at a time, in the order in which they came; whoever is urgent goes before all who are not."""

    def __init__(self) -> None:
        self._taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, have it, give it on."""
        if self._taken:
            await self._wait(self._urgent if urgent else self._others)
        self._taken = True
        try:
            yield
        finally:
            self._give_on()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                # It was this one's turn already.
                self._give_on()
            raise

    def _give_on(self) -> None:
        for queue in (self._urgent, self._others):
            while queue:
                mine = queue.popleft()
                # Whoever gave up stands here until their turn comes.
                if not mine.done():
                    mine.set_result(None)
                    return
        self._taken = False
