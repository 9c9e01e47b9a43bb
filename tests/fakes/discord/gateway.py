"""The stand-in's websocket: hello, identify, heartbeats, resume, what was missed, and every way to be thrown out."""

import asyncio
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
_CONTENT = 1 << 15


class Session:
    """What one identify began. It outlives its connections."""

    def __init__(self, number: int, intents: int) -> None:
        self.id = f"session-{number}"
        self.intents = intents
        self.events: list[Json] = []
        self.connection: Connection | None = None
        self.valid = True

    @property
    def reads_all(self) -> bool:
        """Whether the message content intent was given."""
        return bool(self.intents & _CONTENT)

    def dispatch(self, kind: str, body: Json) -> Json:
        """An event in this session, numbered."""
        frame = {"op": DISPATCH, "s": len(self.events) + 1, "t": kind, "d": body}
        self.events.append(frame)
        return frame


class Connection:
    """One websocket, with transport compression if that was asked for."""

    def __init__(self, socket: web.WebSocketResponse, *, compressed: bool) -> None:
        self.socket = socket
        self._zlib = zlib.compressobj() if compressed else None
        self._lock = asyncio.Lock()

    async def send(self, frame: Json) -> None:
        """Send a frame."""
        data = json.dumps(frame).encode()
        async with self._lock:
            if self.socket.closed:
                return
            # Whoever died is told nothing; the session keeps what they missed.
            with suppress(ConnectionError):
                if self._zlib is None:
                    await self.socket.send_str(data.decode())
                else:
                    await self.socket.send_bytes(self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH))


class GatewaySide:
    """``ready`` makes what a new session begins with; ``allowed`` are the privileged intents that were switched on."""

    def __init__(self, token: str, ready: Callable[[Session], list[tuple[str, Json]]], heartbeat_ms: int) -> None:
        self._token = token
        self._ready = ready
        self._heartbeat_ms = heartbeat_ms
        self.allowed = 0
        self.sessions: list[Session] = []
        self.identified: list[Json] = []
        self.resumed = 0
        self.heartbeats = 0
        self.url = ""
        self.changed: Callable[[], Any] | None = None

    @property
    def session(self) -> Session | None:
        """The newest one that is valid."""
        return self.sessions[-1] if self.sessions and self.sessions[-1].valid else None

    @property
    def connected(self) -> bool:
        """Whether the bot listens."""
        session = self.session
        return session is not None and session.connection is not None

    async def dispatch(self, kind: str, body: Callable[[Session], Json | None]) -> None:
        """Tell the bot; while it is away the session keeps it."""
        session = self.session
        if session is None:
            return
        made = body(session)
        if made is None:
            return
        frame = session.dispatch(kind, made)
        if session.connection is not None:
            await session.connection.send(frame)

    async def drop(self, code: int | None = 4000) -> None:
        """The connection ends, the session does not. ``None``: without a word."""
        session = self.session
        assert session is not None
        assert session.connection is not None
        connection, session.connection = session.connection, None
        if code is None:
            transport = connection.socket._req.transport if connection.socket._req else None
            assert transport is not None
            transport.abort()
        else:
            await connection.socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """Opcode 7."""
        await self._tell({"op": RECONNECT, "d": None})

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Opcode 9."""
        session = self.session
        assert session is not None
        frame = {"op": INVALID, "d": resumable}
        await self._tell(frame)
        if not resumable:
            session.valid = False

    def forget(self) -> None:
        """The session is over while nobody listens: it cannot be resumed."""
        for session in self.sessions:
            session.valid = False

    async def _tell(self, frame: Json) -> None:
        session = self.session
        assert session is not None
        assert session.connection is not None
        await session.connection.send(frame)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A websocket."""
        socket = web.WebSocketResponse(max_msg_size=16384)
        await socket.prepare(request)
        connection = Connection(socket, compressed=request.query.get("compress") == "zlib-stream")
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            await socket.close(code=4012)
            return socket
        await connection.send({"op": HELLO, "d": {"heartbeat_interval": self._heartbeat_ms}})
        session: Session | None = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            if frame["op"] == HEARTBEAT:
                self.heartbeats += 1
                await connection.send({"op": ACK})
            elif frame["op"] == IDENTIFY:
                session = await self._identify(connection, frame["d"])
            elif frame["op"] == RESUME:
                session = await self._resume(connection, frame["d"])
            elif session is None:
                await socket.close(code=4003)
            await self._notify()
        if session is not None and session.connection is connection:
            session.connection = None
            if socket.close_code in (1000, 1001):
                session.valid = False
        await self._notify()
        return socket

    async def _identify(self, connection: Connection, given: Json) -> Session | None:
        if given.get("token") != self._token:
            await connection.socket.close(code=4004)
            return None
        intents = int(given["intents"])
        if intents & PRIVILEGED & ~self.allowed:
            await connection.socket.close(code=4014)
            return None
        self.identified.append(given)
        for old in self.sessions:
            old.valid = False
        session = Session(len(self.sessions) + 1, intents)
        self.sessions.append(session)
        session.connection = connection
        for kind, body in self._ready(session):
            await connection.send(session.dispatch(kind, body))
        return session

    async def _resume(self, connection: Connection, given: Json) -> Session | None:
        session = next((each for each in self.sessions if each.id == given["session_id"] and each.valid), None)
        if given.get("token") != self._token or session is None:
            await connection.send({"op": INVALID, "d": False})
            return None
        self.resumed += 1
        session.connection = connection
        for frame in session.events[int(given["seq"] or 0) :]:
            await connection.send(frame)
        await connection.send(session.dispatch("RESUMED", {}))
        return session

    async def _notify(self) -> None:
        if self.changed is not None:
            await self.changed()
