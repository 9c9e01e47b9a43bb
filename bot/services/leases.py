"""What this process holds: chats, and the watching of jobs. Another process takes over what a dead one held.

All that is done in a chat is done by one process at a time: order, pace and what is said stay whole however many
there are. Whoever takes a chat first ends what a dead process left there.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from storage.database import Database
from storage.repositories import leases
from storage.repositories.leases import Hold

log = logging.getLogger(__name__)

SECONDS = 15.0  # after which others take over from a process that does not say that it lives
_RENEWALS = 4  # within that time
# A process stops by itself this much before others may take over.
_MARGIN = 0.2
_IDLE_SECONDS = 60.0
_SOONEST = 0.1  # seconds
# One, and more for tries that have not come to an end.
_CONNECTIONS = 4


@dataclass(slots=True)
class _Held:
    """A lease of this process. ``used``: when it was last needed."""

    used: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ready: bool = False


class Leases:
    """The leases of one process, ``replica`` by name.

    ``taken`` is awaited with a lease's name before it is used for the first time. ``lost`` is called when this process
    may do nothing more of what it held. ``busy`` tells whether a lease is needed still.
    """

    def __init__(self, database: Database, replica: str, *, seconds: float = SECONDS) -> None:
        self._database = database
        # Saying that it lives must not wait for what it does.
        self._pulse = database if database.is_sqlite else Database(database.url, connections=_CONNECTIONS)
        self.replica = replica
        self._seconds = seconds
        self._held: dict[str, _Held] = {}
        # Not held, but for all that the database knows this process's.
        self._left_behind: set[str] = set()
        self._until = 0.0
        self.alive = 1
        self.taken: Callable[[str], Awaitable[None]] = _nothing
        self.lost: Callable[[list[str]], None] = lambda _: None
        self.busy: Callable[[str], bool] = lambda _: False
        self._closed = False
        self._giving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say that this process lives. What a former process of this name held is free from now on."""
        at = time.monotonic()
        async with self._pulse.transaction() as session:
            await leases.enlist(session, self.replica, self._seconds)
            self.alive = await leases.alive(session)
        self._until = at + self._seconds

    async def run(self) -> None:
        """Go on saying so, for ever; give back what is not needed."""
        pause = self._seconds / _RENEWALS
        while True:
            left = self._left()
            # The less time there is, the sooner.
            await asyncio.sleep(max(_SOONEST, min(pause, left / 2)) if left > 0 else pause)
            left = self._left()
            # An answer that comes too late must not be waited for; once all is lost there is no too late.
            renewed = await self._renewed(left if left > 0 else self._seconds)
            if renewed and (self._giving is None or self._giving.done()):
                # Beside: it must not take the time of the next one.
                self._giving = asyncio.get_running_loop().create_task(self._give_back())

    def _left(self) -> float:
        """Seconds for which this process may go on without an answer of the database. If there are none, all is lost:
        now, before others may take over, and not when there is next something to do.
        """
        left = self._until - time.monotonic() - self._seconds * _MARGIN
        if left <= 0:
            self._lose("others take over what it held")
        return left

    async def _renewed(self, seconds: float) -> bool:
        """Whether it was said in time. That is waited for no longer, even if it cannot be cancelled at once."""
        task = asyncio.get_running_loop().create_task(self._renew())
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            task.add_done_callback(_told)
            task.cancel()
        return task.done() and not task.cancelled() and task.exception() is None

    async def _renew(self) -> None:
        at = time.monotonic()
        async with self._pulse.transaction(urgent=True) as session:
            lives = await leases.renew(session, self.replica, self._seconds)
            if not lives:
                await leases.enlist(session, self.replica, self._seconds)
            self.alive = await leases.alive(session)
        if not lives:
            self._lose("others have taken over what it held")
        self._until = at + self._seconds

    def _lose(self, what: str) -> None:
        names = list(self._held)
        if names:
            log.warning("this process was silent for too long: %s", what)
            self._left_behind.update(names)
            self._held.clear()
            self.lost(names)

    async def _give_back(self) -> None:
        """Give back what is not needed, and what this process lost and did not take again."""
        oldest = time.monotonic() - _IDLE_SECONDS
        given = {
            name: held
            for name, held in self._held.items()
            if held.ready and held.used < oldest and not held.lock.locked() and not self.busy(name)
        }
        self._left_behind.difference_update(name for name, held in self._held.items() if held.ready)
        for name in self._left_behind - self._held.keys():
            # Whoever wants it meanwhile waits.
            given[name] = self._held[name] = _Held(oldest)
        if not given:
            return
        try:
            await self._release(given)
        except Exception as error:  # noqa: BLE001 - they are this process's for a while longer
            log.warning("what this process does not need could not be given back (%s)", type(error).__name__)

    def _lives(self) -> bool:
        return time.monotonic() < self._until - self._seconds * _MARGIN

    def has(self, name: str) -> bool:
        """Whether this process holds it now."""
        held = self._held.get(name)
        return held is not None and held.ready and self._lives()

    async def hold(self, name: str) -> bool:
        """Take it, unless another process has it, or this one is held to be dead. When this returns true, what a dead
        one left there was seen to.
        """
        while not self._closed and self._lives():
            held = self._held.setdefault(name, _Held(time.monotonic()))
            held.used = time.monotonic()
            if self.has(name):
                return True
            async with held.lock:
                if self._held.get(name) is not held:
                    continue  # it was given back or lost while we waited
                if held.ready:
                    return self.has(name)  # whoever came before us took it
                mine = False
                try:
                    mine = held.ready = await self._take(name)
                finally:
                    if not mine and self._held.get(name) is held:
                        del self._held[name]
                return self.has(name)
        return False

    async def _take(self, name: str) -> bool:
        async with self._database.transaction() as session:
            hold = await leases.take(session, name, self.replica)
        if hold is Hold.ELSEWHERE:
            return False
        try:
            await self.taken(name)
        except BaseException:
            self._left_behind.add(name)
            raise
        return True

    async def release(self, name: str) -> None:
        """Give it back."""
        held = self._held.get(name)
        if held is None:
            return
        await self._release({name: held})

    async def _release(self, given: Mapping[str, _Held]) -> None:
        async with AsyncExitStack() as stack:
            for held in given.values():
                await stack.enter_async_context(held.lock)
            mine = [name for name, held in given.items() if self._held.get(name) is held]
            for name in mine:
                given[name].ready = False
            try:
                async with self._database.transaction() as session:
                    await leases.release(session, mine, self.replica)
            except BaseException:
                self._left_behind.update(mine)
                raise
            else:
                self._left_behind.difference_update(mine)
            finally:
                for name in mine:
                    if self._held.get(name) is given[name]:
                        del self._held[name]

    async def close(self) -> None:
        """Give everything back, and end: others go on at once."""
        self._closed = True
        self._held.clear()
        try:
            async with self._database.transaction() as session:
                await leases.retire(session, self.replica)
        finally:
            if self._pulse is not self._database:
                await self._pulse.close()


def _told(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        log.warning("this process could not say in time that it lives")
    elif (error := task.exception()) is not None:
        # Whatever the reason, what counts is how long ago it succeeded.
        log.warning("this process could not say that it lives (%s)", type(error).__name__)


async def _nothing(_name: str) -> None:
    return
