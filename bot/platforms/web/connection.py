"""One open page: what it sends is taken in order, what it must see is pumped out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from bot.locales import translator
from bot.platforms.web.events import Reception
from bot.platforms.web.frames import (
    Earlier,
    Greeting,
    Malformed,
    Ping,
    Say,
    Tap,
    entries_frame,
    history_frame,
    parse,
)
from bot.platforms.web.ports import Door, MessageLog, Visitor
from bot.platforms.web.rooms import Listener, Rooms

log = logging.getLogger(__name__)

PAGE = 50
CATCH_UP = 200
# How often a quiet connection looks at the log and the door: what another process wrote, a session that was ended.
REFRESH_SECONDS = 10.0
PRESSES_AT_ONCE = 8
MESSAGES_WAITING = 64
# The close code that tells the page to show the sign-in instead of trying again.
SIGNED_OUT = 4401

Frame = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class House:
    """What all connections share. ``hello`` makes the first frame for a visitor."""

    door: Door
    log: MessageLog
    rooms: Rooms
    reception: Reception
    hello: Callable[[Visitor], Frame]
    # Presses run to their end even if the page that sent them is closed meanwhile.
    presses: set[asyncio.Task[None]]


class Connection:
    """The life of one WebSocket after its visitor is known."""

    def __init__(
        self, house: House, socket: web.WebSocketResponse, visitor: Visitor, token: str, language: str
    ) -> None:
        self._house = house
        self._socket = socket
        self._visitor = visitor
        self._token = token
        self._language = language
        self._cursor: int | None = None
        self._pressing = 0
        self._listener: Listener = house.rooms.join(visitor.room)
        # Taken in by a task of its own: a ping is answered even while a message is being stored.
        self._said: asyncio.Queue[Say | None] = asyncio.Queue(MESSAGES_WAITING)

    async def run(self) -> None:
        """Until either side ends it."""
        pump = asyncio.create_task(self._pump())
        listening = asyncio.create_task(self._listen())
        self._listener.push(self._house.hello(self._visitor))
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT or not await self._take(message.data):
                    break
        finally:
            # What was said before the page went is taken in all the same.
            await self._said.put(None)
            pump.cancel()
            self._house.rooms.leave(self._visitor.room, self._listener)
            await asyncio.wait([pump, listening])

    async def _take(self, data: str) -> bool:
        try:
            frame = parse(data)
        except Malformed:
            await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
            return False
        if isinstance(frame, Ping):
            self._listener.push({"pong": 1})
            return True
        if not await self._still_welcome():
            return False
        match frame:
            case Greeting(since):
                await self._greet(since)
            case Earlier(before):
                await self._history(before)
            case Say():
                await self._said.put(frame)
            case Tap() if self._pressing >= PRESSES_AT_ONCE:
                text = translator(self._language)("web.button.busy")
                self._listener.push({"ack": frame.id, "text": text, "alert": False})
            case Tap():
                self._pressing += 1
                task = asyncio.create_task(self._press(frame))
                self._house.presses.add(task)
                task.add_done_callback(self._house.presses.discard)
        return True

    async def _listen(self) -> None:
        while (say := await self._said.get()) is not None:
            if say.silent:
                self._language = say.text.rsplit(" ", 1)[-1]
            said = self._house.reception.say(self._visitor, say, self._language)
            outcome = await self._settled(said, "failed", say.id)
            if outcome is not None:
                self._listener.push(outcome)

    async def _press(self, tap: Tap) -> None:
        try:
            pressed = self._house.reception.tap(self._visitor, tap, self._language)
            outcome = await self._settled(pressed, "ack", tap.id)
            if outcome is not None:
                self._listener.push(outcome)
        finally:
            self._pressing -= 1

    async def _settled(self, work: Awaitable[Frame | None], key: str, name: str) -> Frame | None:
        try:
            return await work
        except Exception:
            error_id = uuid4().hex[:8]
            log.exception("Event failed, error id %s", error_id)
            return {key: name, "text": translator(self._language)("web.error.internal", id=error_id), "alert": True}

    async def _still_welcome(self) -> bool:
        visitor = await self._house.door.visitor(self._token)
        if visitor is None or visitor.room != self._visitor.room:
            await self._socket.close(code=SIGNED_OUT)
            return False
        if visitor != self._visitor:
            if visitor.language != self._visitor.language:
                self._language = visitor.language or self._language
            self._visitor = visitor
            self._listener.push(self._house.hello(visitor))
        return True

    async def _greet(self, since: int | None) -> None:
        if since is None:
            self._cursor = await self._history(None)
        else:
            self._cursor = since
        self._listener.changed()

    async def _history(self, before: int | None) -> int:
        found = await self._house.log.latest(self._visitor.room, before, PAGE + 1)
        page = found[-PAGE:]
        previews = self._house.rooms.previews(self._visitor.room)
        self._listener.push(history_frame(page, previews, before, more=len(found) > PAGE))
        return max((entry.revision for entry in page), default=0)

    async def _pump(self) -> None:
        try:
            while True:
                await self._woken()
                while self._listener.frames:
                    await self._send(self._listener.frames.popleft())
                if self._cursor is not None:
                    await self._show(self._cursor)
        except ConnectionError:
            log.debug("A page went away while it was written to")
        except Exception:
            # The page comes back and asks for what it missed.
            log.exception("A page could not be brought up to date")
        finally:
            # Also wakes the reader of this connection, which then ends.
            if not self._socket.closed:
                await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER)

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self._listener.wake.wait()
        except TimeoutError:
            self._listener.stale = True
            await self._still_welcome()
        self._listener.wake.clear()

    async def _show(self, cursor: int) -> None:
        listener, room = self._listener, self._visitor.room
        while listener.stale:
            listener.stale = False
            entries = await self._house.log.since(room, cursor, CATCH_UP)
            if entries:
                await self._send(entries_frame(entries, self._house.rooms.previews(room)))
                self._cursor = cursor = entries[-1].revision
                listener.stale = listener.stale or len(entries) == CATCH_UP
        # Stale again: what waits now may belong to an entry that is still to be read.
        while listener.previews and not listener.stale:
            entry, body = listener.previews.popitem()
            await self._send({"preview": {"id": entry, "body": body}})

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_str(orjson.dumps(frame).decode())
