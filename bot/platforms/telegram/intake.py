"""Hands updates over: in order within a chat, chats side by side, each until it is stored."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from telegram import Update, User

from bot.chat.events import Ack, Deliver, Press
from bot.locales import DEFAULT_LANGUAGE, language_of, translator
from bot.platforms.telegram.backoff import Backoff, Pause
from bot.platforms.telegram.ports import OffsetStore
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.updates import event_of, lane_of
from bot.platforms.telegram.window import Window

log = safe_logger(__name__)

MOST_TRIES = 5
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
# A press may still be at work when we stop; after this long it is cut off and comes again at the next start.
GRACE_SECONDS = 10.0

# Answers a press: the callback query's id, and what to show.
Answer = Callable[[str, Ack], Coroutine[Any, Any, None]]
T = TypeVar("T")


class Intake:
    """Takes in updates. ``offset`` is from where Telegram has to repeat them."""

    def __init__(
        self, deliver: Deliver, answer: Answer, store: OffsetStore, window: Window, me: User, pause: Pause
    ) -> None:
        self._deliver = deliver
        self._answer = answer
        self._store = store
        self._window = window
        self._me = me
        self._pause = pause
        self._lanes: dict[int, deque[Update]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._hands: set[asyncio.Task[bool]] = set()
        self._answers: set[asyncio.Task[None]] = set()
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
            if event_of(update, self._me) is None:
                _tell(update)
                self._window.take(update.update_id)
                continue
            lane = lane_of(update)
            if lane in self._lanes:
                self._lanes[lane].append(update)
                continue
            self._lanes[lane] = deque([update])
            _keep(self._workers, self._work(lane))
        self._mark()
        await self._save()
        return bool(fresh)

    def halt(self) -> None:
        """Begin nothing more."""
        for worker in self._workers:
            worker.cancel()

    async def close(self) -> None:
        """Begin nothing more; wait for what is being stored or answered."""
        self.halt()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await _finish(self._hands)
        await _finish(self._answers)
        self._lanes.clear()

    async def _work(self, lane: int) -> None:
        queue = self._lanes[lane]
        while queue:
            await self._until_taken(queue[0])
            queue.popleft()
        del self._lanes[lane]

    async def _until_taken(self, update: Update) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        for attempt in range(1, MOST_TRIES + 1):
            # Shielded: what is being stored when we stop is stored to its end.
            if await asyncio.shield(_keep(self._hands, self._hand_over(update, attempt))):
                return
            if attempt < MOST_TRIES:
                await self._pause(backoff.next())

    async def _hand_over(self, update: Update, attempt: int) -> bool:
        """One attempt. True if the update is done with, be it that it was given up."""
        event = event_of(update, self._me)
        assert event is not None
        ack: Ack | None
        try:
            ack = await self._deliver(event)
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception(
                "error %s: update %s was not taken in, try %s of %s", error_id, update.update_id, attempt, MOST_TRIES
            )
            if attempt < MOST_TRIES:
                return False
            log.error("error %s: update %s is given up", error_id, update.update_id)
            author = event.author.language if isinstance(event, Press) else None
            language = language_of(author) or DEFAULT_LANGUAGE
            ack = Ack(translator(language)("telegram.press_failed", error_id=error_id), alert=True)
        self._window.take(update.update_id)
        self._mark()
        await self._save()
        if isinstance(event, Press) and update.callback_query is not None:
            _keep(self._answers, self._answer(update.callback_query.id, ack or Ack()))
        return True

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


def _keep(tasks: set[asyncio.Task[T]], work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def _finish(tasks: set[asyncio.Task[T]]) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(set(tasks), timeout=GRACE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _tell(update: Update) -> None:
    if update.my_chat_member is not None:
        log.info(
            "the bot is now %s in a %s chat",
            update.my_chat_member.new_chat_member.status,
            update.my_chat_member.chat.type,
        )
    elif update.message is not None and update.message.migrate_to_chat_id is not None:
        log.info("group %s became supergroup %s", update.message.chat.id, update.message.migrate_to_chat_id)
