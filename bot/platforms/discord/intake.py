"""Takes messages in: in order within a channel, channels side by side, each until it is stored.

The gateway has no receipt for a single event: what was on its way when this process ended is not sent again to the
next one. So the newest stored id of every channel is kept, and what came after it is read from the channel's history
whenever a new session begins. A session that is resumed repeats what it had missed by itself.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from discord.utils import time_snowflake, utcnow

from bot.chat.errors import NotStored, PlatformError, Throttled, Unavailable, Unconfirmed
from bot.platforms.backoff import Backoff, Pause
from bot.platforms.discord.ports import ChannelStore, Known
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.rest import MOST_HISTORY, Json, Rest

log = safe_logger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 30.0
# Some twenty minutes of trying, with the longest pauses between; what is poisoned must not hold a channel up for ever.
MOST_TRIES = 60
MOST_CHANNELS = 200
# What is older than a day, or more than this much, nobody waits for any more.
MOST_PAGES = 5
_DAY_OF_IDS = 86_400_000 << 22
GRACE_SECONDS = 10.0

Work = Callable[[], Awaitable[None]]
# Makes an event of a message in a channel of a server ("" in private), and hands it over. Raises if it was not stored.
Hand = Callable[[Json, str], Awaitable[None]]


class Intake:
    """A line for each channel."""

    def __init__(self, rest: Rest, store: ChannelStore, pause: Pause) -> None:
        self._rest = rest
        self._store = store
        self._pause = pause
        self._lines: dict[str, deque[Work]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Event()
        self._gate.set()
        self._catching: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Future[None]] = set()

    def add(self, channel: str, work: Work) -> None:
        """Do this after all that came from the same channel before."""
        if channel in self._lines:
            self._lines[channel].append(work)
            return
        self._lines[channel] = deque([work])
        self._begin(channel)

    def _begin(self, channel: str) -> None:
        worker = asyncio.get_running_loop().create_task(self._work(channel))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, channel: str) -> None:
        line = self._lines[channel]
        while line:
            await self._gate.wait()
            # Shielded: what is being stored when we stop is stored to its end.
            work = line[0]
            await self._until_done(work)
            line.remove(work)
        del self._lines[channel]

    async def _until_done(self, work: Work) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        tries = 0
        waits = False
        while tries < MOST_TRIES:
            try:
                await asyncio.shield(self._keep(work()))
            except NotStored:
                # That says nothing of the message: however often.
                if not waits:
                    log.warning("messages of a channel wait for the database")
                waits = True
            except Exception:
                tries += 1
                log.exception("error %s: a message was not taken in, try %s", secrets.token_hex(4), tries)
            else:
                return
            await self._pause(backoff.next())
        log.error("error %s: a message is given up", secrets.token_hex(4))

    def _keep(self, work: Awaitable[None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def catch_up(self, hand: Hand) -> None:
        """A new session: read what was missed, before anything new of the same channel."""
        self._gate.clear()
        if self._catching is not None:
            self._catching.cancel()
        self._catching = asyncio.get_running_loop().create_task(self._prepare(hand))

    async def _prepare(self, hand: Hand) -> None:
        channels = [known for known in await self._channels() if known.open]
        for known in channels[:MOST_CHANNELS]:
            line = self._lines.get(known.channel)
            if line is None:
                self.add(known.channel, partial(self._missed, known, hand))
            else:
                line.appendleft(partial(self._missed, known, hand))
        self._gate.set()

    async def _channels(self) -> Sequence[Known]:
        """However long that takes: nothing new could be stored meanwhile either."""
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while True:
            try:
                return await self._store.known()
            except Exception:
                log.exception("error %s: what was missed cannot be found out yet", secrets.token_hex(4))
            await self._pause(backoff.next())

    async def _missed(self, known: Known, hand: Hand) -> None:
        after = known.seen
        try:
            for _ in range(MOST_PAGES):
                page = await self._rest.history(known.channel, after)
                for raw in page:
                    if int(raw["id"]) > known.seen and not _older_than_a_day(int(raw["id"])):
                        await self._until_done(partial(hand, raw, known.guild))
                    after = int(raw["id"])
                if len(page) < MOST_HISTORY:
                    return
            log.warning("more was missed in a channel than is read again")
        except (Throttled, Unavailable, Unconfirmed) as error:
            # What was handed over is recognised when it comes again.
            raise Unavailable(str(error)) from error
        except PlatformError as error:
            # No right to read the history, or no such channel any more: said in the documentation.
            log.info("what was missed in a channel cannot be read: %s", type(error).__name__)

    async def close(self) -> None:
        """Begin nothing more; wait for what is being stored, for a while."""
        tasks: list[asyncio.Task[None]] = [*self._workers, *([self._catching] if self._catching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._under_way:
            _, late = await asyncio.wait(set(self._under_way), timeout=GRACE_SECONDS)
            for each in late:
                each.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._lines.clear()
        self._catching = None


def _older_than_a_day(number: int) -> bool:
    return number < time_snowflake(utcnow()) - _DAY_OF_IDS
