"""Where events arrive: stored, recognised when repeated, lined up by the process that has their chat.

``deliver`` returns when an event cannot be lost any more. Messages of one place are handled in order, places side by
side; files (and commands that take as long) are handled beside the line, so that their judging holds nobody up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from bot.chat.codec import decode, encode
from bot.chat.errors import NotStored
from bot.chat.events import Ack, Event, Message, Moved, Press
from bot.chat.places import Place
from bot.commands.desk import Desk
from bot.services.leases import Leases
from storage import hints
from storage.database import Database, away
from storage.repositories import updates
from storage.repositories.leases import chat_lease

log = logging.getLogger(__name__)

# So many processes may end while they handle an event before it is held to be the reason.
_MOST_ATTEMPTS = 20
# What this process has survived is remembered of so many events.
_MOST_SURVIVED = 1000
# How long whoever pressed waits for another process's word, and how often it is looked for; in seconds.
_PATIENCE, _LOOK_AGAIN = 8.0, 0.5

# A platform and the id of an event there.
Key = tuple[str, str]
Task = asyncio.Task[Ack | None]


class Intake:
    """Takes in what the platforms hand over."""

    def __init__(self, database: Database, leases: Leases, desk: Desk) -> None:
        self._database = database
        self._leases = leases
        self._desk = desk
        self._closing = False
        self._tasks: set[Task] = set()
        self._lines: dict[tuple[str, str, str], Task] = {}
        # Events on their way into a line, and in a line; so that none is in it twice.
        self._arriving: Counter[Key] = Counter()
        self._in_hand: dict[Key, Task] = {}
        # How often this process has survived the handling of an event that is still open: the database was away, or the
        # chat went to another process.
        self._survived: Counter[Key] = Counter()
        # Woken when another process has handled a press that came to this one.
        self._answered: dict[Key, asyncio.Event] = {}

    async def deliver(self, event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        """Take in an event: it is stored when this returns. A message is handled after that, a press before; ``stored``
        is called in between.

        It is handled by the process that has its chat, be it another one. Raises :class:`NotStored`.
        """
        try:
            return await self._deliver(event, stored)
        except Exception as error:
            if away(error):
                raise NotStored from error
            raise

    async def _deliver(self, event: Event, stored: Callable[[], None]) -> Ack | None:
        key = _key(event)
        self._arriving[key] += 1
        try:
            lease = chat_lease(event.place.platform, event.place.chat)
            done, ack, behind = await self._store(event, lease)
            stored()
            if done or self._closing:
                return ack
            if await self._leases.hold(lease):
                if behind:
                    await self.adopt(event.place.platform, event.place.chat)
                task = self._take(event)
            else:
                return await self._handled_elsewhere(key) if isinstance(event, Press) else None
        finally:
            self._arriving[key] -= 1
            if not self._arriving[key]:
                del self._arriving[key]
        # What is said under the new id of a chat that moved has to find what was said under the old one.
        return await asyncio.shield(task) if isinstance(event, Press | Moved) else None

    async def _store(self, event: Event, lease: str) -> tuple[bool, Ack | None, bool]:
        """Whether it was handled before; what is said to a press that nobody handles (any more); and whether another
        process stored what goes before it, of which word is still on its way.
        """
        key, answer, behind = _key(event), None, False
        async with self._database.transaction() as session:
            fresh = await updates.add(session, *key, event.place.chat, encode(event))
            done = False
            if not fresh:
                done, answer = await updates.state(session, *key)
            elif not self._leases.has(lease):
                await hints.give(session, "chat", f"{event.place.platform} {event.place.chat}")
            elif not self._database.is_sqlite:
                opened = await updates.open_ids(session, event.place.platform, event.place.chat)
                behind = any(self.unknown((event.place.platform, id_)) for id_ in opened)
        return done, _ack(answer) if isinstance(event, Press) else None, behind

    def _take(self, event: Event, *, again: bool = False) -> Task:
        """Have an event handled, in its turn; once, however often this is asked for."""
        key = _key(event)
        return self._in_hand.get(key) or self._hand(key, self._line_up(event, again=again))

    def _hand(self, key: Key, task: Task) -> Task:
        self._in_hand[key] = task
        task.add_done_callback(partial(self._out_of_hand, key))
        return task

    def _out_of_hand(self, key: Key, task: Task) -> None:
        self._in_hand.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            self._survived[key] += 1
            while len(self._survived) > _MOST_SURVIVED:
                # Others have ended the oldest long ago.
                del self._survived[next(iter(self._survived))]
        else:
            self._survived.pop(key, None)

    async def adopt(self, platform: str, chat: str) -> None:
        """Take over what was not handled in a chat that is this process's from now on."""
        async with self._database.reading() as session:
            rows = await updates.open_in(session, platform, chat)
        for row in rows:
            event = decode(row.event)
            key = _key(event)
            if self._closing or not self.unknown(key):
                continue  # it is in its line, or whoever brings it lines it up
            if row.attempts - self._survived[key] >= _MOST_ATTEMPTS:
                self._hand(key, self._spawn(self._desk.give_up(event), event.place))
            else:
                self._take(event, again=bool(row.attempts))

    def unknown(self, key: Key) -> bool:
        """Whether nobody here has this event in hand."""
        return key not in self._in_hand and not self._arriving[key]

    def answered(self, key: Key) -> None:
        """Another process has handled a press."""
        if waiting := self._answered.get(key):
            waiting.set()

    async def _handled_elsewhere(self, key: Key) -> Ack:
        """What the process that has the chat says to a press. Nothing, if it takes longer than anybody waits."""
        woken = self._answered.setdefault(key, asyncio.Event())
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        try:
            while loop.time() < until:
                woken.clear()
                async with self._database.reading() as session:
                    done, answer = await updates.state(session, *key)
                if done:
                    return _ack(answer)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await woken.wait()
        finally:
            self._answered.pop(key, None)
        return Ack()

    def busy(self, platform: str, chat: str) -> bool:
        """Whether something is being handled in a chat."""
        return any(task.get_name() == _name(platform, chat) for task in self._tasks)

    def abandon(self, platform: str, chat: str) -> None:
        """Another process has this chat: nothing more is done there."""
        for task in tuple(self._tasks):
            if task.get_name() == _name(platform, chat):
                task.cancel()

    async def close(self, seconds: float) -> None:
        """Begin nothing more and wait for what is being handled, for so long at most.

        What comes now is only stored; that, and what is cut off, is handled at the next start.
        """
        self._closing = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _line_up(self, event: Event, *, again: bool) -> Task:
        if isinstance(event, Press | Moved) or (isinstance(event, Message) and self._is_beside(event)):
            return self._spawn(self._desk.handle(event, again=again), event.place)
        key = (event.place.platform, event.place.chat, event.place.thread)
        line = self._spawn(self._after(self._lines.get(key), event, again=again), event.place)
        self._lines[key] = line
        line.add_done_callback(lambda task: self._lines.pop(key) if self._lines.get(key) is task else None)
        return line

    def _is_beside(self, event: Message) -> bool:
        return bool(event.uploads) or self._desk.takes_long(event.text)

    async def _after(self, before: Task | None, event: Event, *, again: bool) -> Ack | None:
        if before is not None:
            await asyncio.wait([before])
        return await self._desk.handle(event, again=again)

    def _spawn(self, work: Coroutine[Any, Any, Ack | None], place: Place) -> Task:
        task = asyncio.get_running_loop().create_task(work, name=_name(place.platform, place.chat))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # What it was to handle is still stored as open, and is handled by whoever takes the chat next.
            log.error("an event was not handled", exc_info=error)


def _key(event: Event) -> Key:
    return event.place.platform, event.id


def _name(platform: str, chat: str) -> str:
    return f"{platform} {chat}"


def _ack(answer: Mapping[str, Any] | None) -> Ack:
    return Ack(**answer) if answer else Ack()
