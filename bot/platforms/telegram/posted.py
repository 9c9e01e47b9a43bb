"""Updates that Telegram posts to us. Each is stored before it is answered for; what was not stored comes again.

Telegram posts the next update of a chat only after it was told that the one before was taken; what comes at the same
time all the same (from a proxy that repeats, for example) is handled in the order in which it came.
"""

import asyncio

from telegram import Update

from bot.chat.errors import NotStored
from bot.platforms.telegram.handing import LATE_SECONDS, Hands, finish, keep
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.updates import lane_of

log = safe_logger(__name__)

# Of so many updates at once it is remembered how often they were tried.
_MOST_REMEMBERED = 1000


class Posted:
    """Takes updates in, each once at a time."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._under_way: dict[int, asyncio.Future[bool]] = {}
        self._lanes: dict[int, asyncio.Future[bool]] = {}
        self._attempts: set[asyncio.Task[bool]] = set()
        self._tries: dict[int, int] = {}
        self._closing = False

    async def take(self, update: Update) -> bool:
        """True once the update is stored, or is nothing to us. False: it has to be posted again."""
        if self._closing:
            return False
        # A post whose answer was lost is repeated while the update is at work: both wait for the same.
        under_way = self._under_way.get(update.update_id)
        if under_way is None:
            if self._hands.event(update) is None:
                return True
            under_way = self._begin(update)
        return await asyncio.shield(under_way)

    def halt(self) -> None:
        """Begin nothing more."""
        self._closing = True

    async def close(self) -> None:
        """Begin nothing more; wait for what is being stored or answered."""
        self.halt()
        await finish(self._attempts)
        await self._hands.close()

    def _begin(self, update: Update) -> asyncio.Future[bool]:
        """What to tell Telegram: known once the update is handled, or stored and not handled for a while."""
        lane = lane_of(update)
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        task = keep(self._attempts, self._attempt(update, self._lanes.get(lane), told))
        self._under_way[update.update_id] = self._lanes[lane] = told

        def ended(_: asyncio.Future[bool]) -> None:
            del self._under_way[update.update_id]
            if self._lanes.get(lane) is told:
                del self._lanes[lane]

        def handled(done: asyncio.Task[bool]) -> None:
            if told.done():
                return
            if done.cancelled():
                told.cancel()
            elif (error := done.exception()) is not None:
                told.set_exception(error)
            else:
                told.set_result(done.result())

        told.add_done_callback(ended)
        task.add_done_callback(handled)
        return told

    async def _attempt(self, update: Update, before: asyncio.Future[bool] | None, told: asyncio.Future[bool]) -> bool:
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def goes_on() -> None:
            # Nobody else's words may wait for a press that waits for its chat.
            if not told.done():
                told.set_result(True)

        if before is not None:
            await asyncio.wait([before])
        attempt = self._tries.pop(update.update_id, 0) + 1
        try:
            taken = await self._hands.attempt(
                update, attempt, lambda: timers.append(loop.call_later(LATE_SECONDS, goes_on))
            )
        except NotStored:
            log.warning("an update cannot be stored: the database is away; Telegram posts it again")
            return False
        finally:
            for timer in timers:
                timer.cancel()
        if taken is None:
            self._tries[update.update_id] = attempt
            while len(self._tries) > _MOST_REMEMBERED:
                del self._tries[next(iter(self._tries))]
            return False
        self._hands.answer(update, taken)
        return True
