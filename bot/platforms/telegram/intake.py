"""Hands updates over: in order within a chat, chats side by side, each until it is stored."""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence

from telegram import Update

from bot.chat.errors import NotStored
from bot.platforms.backoff import Backoff, Pause
from bot.platforms.telegram.handing import LATE_SECONDS, MOST_TRIES, Hands, finish, keep
from bot.platforms.telegram.ports import OffsetStore
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.updates import lane_of
from bot.platforms.telegram.window import Window

log = safe_logger(__name__)

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0


class Intake:
    """Takes in updates. ``offset`` is from where Telegram has to repeat them."""

    def __init__(self, hands: Hands, store: OffsetStore, window: Window, pause: Pause) -> None:
        self._hands = hands
        self._store = store
        self._window = window
        self._pause = pause
        self._lanes: dict[int, deque[Update]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._takings: set[asyncio.Task[None]] = set()
        self._attempts: set[asyncio.Task[bool]] = set()
        self._confirming: set[asyncio.Task[None]] = set()
        self._saving = asyncio.Lock()
        self._saved: int | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def offset(self) -> int | None:
        """The first update that is not stored yet."""
        return self._window.offset

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._window.pending

    async def settled(self, seconds: float) -> None:
        """Wait until nothing is on its way, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return

    async def accept(self, updates: Sequence[Update]) -> bool:
        """Line up what is new. False if nothing was."""
        fresh = [update for update in updates if self._window.add(update.update_id)]
        for update in fresh:
            if self._hands.event(update) is None:
                self._window.take(update.update_id)
                continue
            lane = lane_of(update)
            if lane in self._lanes:
                self._lanes[lane].append(update)
                continue
            self._lanes[lane] = deque([update])
            keep(self._workers, self._work(lane))
        self._mark()
        await self._save()
        return bool(fresh)

    def halt(self) -> None:
        """Begin nothing more."""
        for task in (*self._workers, *self._takings):
            task.cancel()

    async def close(self) -> None:
        """Begin nothing more; wait for what is being stored or answered."""
        self.halt()
        await asyncio.gather(*self._workers, *self._takings, return_exceptions=True)
        await finish(self._attempts)
        await finish(self._confirming)
        await self._hands.close()
        self._lanes.clear()

    async def _work(self, lane: int) -> None:
        queue = self._lanes[lane]
        while queue:
            late = asyncio.Event()
            taking = keep(self._takings, self._until_taken(queue[0], late))
            waiting = asyncio.ensure_future(late.wait())
            try:
                await asyncio.wait([taking, waiting], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if taking.done():
                taking.result()
            queue.popleft()
        del self._lanes[lane]

    async def _until_taken(self, update: Update, late: asyncio.Event) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        attempt = 1
        while attempt <= MOST_TRIES:
            # Shielded: what is being stored when we stop is stored to its end.
            try:
                if await asyncio.shield(keep(self._attempts, self._hand_over(update, attempt, late))):
                    return
                attempt += 1
            except NotStored:
                log.warning("updates cannot be stored: the database is away; trying again")
            if attempt <= MOST_TRIES:
                await self._pause(backoff.next())

    async def _hand_over(self, update: Update, attempt: int, late: asyncio.Event) -> bool:
        """One attempt. True if the update is done with, be it that it was given up."""
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def goes_on() -> None:
            # Nobody else's words may wait for a press that waits for its chat.
            late.set()
            keep(self._confirming, self._confirm(update))

        try:
            taken = await self._hands.attempt(
                update, attempt, lambda: timers.append(loop.call_later(LATE_SECONDS, goes_on))
            )
        finally:
            for timer in timers:
                timer.cancel()
        if taken is None:
            return False
        await self._confirm(update)
        self._hands.answer(update, taken)
        return True

    async def _confirm(self, update: Update) -> None:
        self._window.take(update.update_id)
        self._mark()
        await self._save()

    def _mark(self) -> None:
        if self._window.pending:
            self._idle.clear()
        else:
            self._idle.set()

    async def _save(self) -> None:
        async with self._saving:
            offset = self._window.offset
            if offset is None or offset == self._saved:
                return
            try:
                await self._store.save(offset)
            except Exception:
                # The update itself is stored: at worst it is recognised as a repeat at the next start.
                log.exception("error %s: the position in Telegram's updates was not saved", secrets.token_hex(4))
            else:
                self._saved = offset
