"""What the page is handed in the product, kept in memory here. Everything is written through at once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.chat.content import Answer, AnswerState, Card, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack, Event, Message, Press
from bot.chat.places import Place
from bot.platforms.web import WebPlatform
from bot.platforms.web.ports import Entry, Visitor


class FakeDoor:
    """Codes that work once, and sessions."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {"owner-code": "admin"}
        self.sessions: dict[str, Visitor] = {}

    async def redeem(self, code: str, name: str, language: str) -> str:
        if code not in self.codes:
            raise UserError("code_unknown")
        role = self.codes.pop(code)
        return self.admit(f"account-{len(self.sessions) + 1}", name, role)

    def admit(self, account: str, name: str = "Ming", role: str = "admin", language: str = "") -> str:
        token = hashlib.sha256(f"{account}{len(self.sessions)}".encode()).hexdigest()
        self.sessions[token] = Visitor(account, name, role, language, f"room-{account}")
        return token

    async def visitor(self, token: str) -> Visitor | None:
        return self.sessions.get(token)

    async def leave(self, token: str) -> None:
        self.sessions.pop(token, None)


class FakeLog:
    """A log that outlives the servers of a test."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.keys: dict[str, int] = {}
        self.revision = 0
        self.reads = 0
        # A test closes it to hold up what a page has begun to read.
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, room: str, author: str, body: Mapping[str, object], key: str) -> Entry:
        await asyncio.sleep(0)
        if key not in self.keys:
            self.revision += 1
            self.keys[key] = number = len(self.entries) + 1
            self.entries[number] = Entry(number, room, author, dict(body), self.revision, datetime.now(UTC))
        return self.entries[self.keys[key]]

    async def revise(self, room: str, id: int, body: Mapping[str, object]) -> Entry:  # noqa: A002
        await asyncio.sleep(0)
        former = self.entries[id]
        if former.room != room:
            raise KeyError(id)
        self.revision += 1
        self.entries[id] = Entry(id, room, former.author, dict(body), self.revision, former.created)
        return self.entries[id]

    async def since(self, room: str, revision: int, limit: int) -> Sequence[Entry]:
        await asyncio.sleep(0)
        changed = [entry for entry in self.entries.values() if entry.room == room and entry.revision > revision]
        await self.gate.wait()
        return sorted(changed, key=lambda entry: entry.revision)[:limit]

    async def latest(self, room: str, before: int | None, limit: int) -> Sequence[Entry]:
        await asyncio.sleep(0)
        self.reads += 1
        own = [entry for entry in self.entries.values() if entry.room == room and (not before or entry.id < before)]
        return own[-limit:]


class FakeFiles:
    """Content-addressed files in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.path(digest).write_bytes(data)
        return digest

    def path(self, digest: str) -> Path:
        return self.folder / digest


class FakeProbes:
    """As well as a test says."""

    def __init__(self) -> None:
        self.living = True
        self.checks = {"database": True}

    async def alive(self) -> bool:
        return self.living

    async def ready(self) -> Mapping[str, bool]:
        return self.checks


class Inbox:
    """Stands where the product takes events in: keeps them, and lets a test wait for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ack: Ack | None = None
        self.error: Exception | None = None
        self._changed = asyncio.Condition()

    async def deliver(self, event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        if self.error is not None:
            raise self.error
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        return self.ack

    async def wait(self, count: int) -> list[Event]:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.events) >= count)
        return self.events


class EchoBot:
    """Stands behind the page in tests with a browser: answers what it is told by what it was told."""

    def __init__(self) -> None:
        self.platform: WebPlatform | None = None
        self.events: list[Event] = []
        self.uploads: list[bytes] = []
        # Waited for between the words of a streamed answer, and before a press is acknowledged.
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self, event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        if isinstance(event, Press):
            self.events.append(event)
            await self.go_on.wait()
            return Ack(f"pressed {event.token}", alert=event.token == "alert")
        if isinstance(event, Message) and event.id not in {known.id for known in self.events}:
            self.events.append(event)
            task = asyncio.create_task(self._handle(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]

    async def _handle(self, event: Message) -> None:
        assert self.platform is not None
        platform, place, key = self.platform, event.place, event.id
        if event.uploads:
            data = b"".join([piece async for piece in platform.fetch(event.uploads[0])])
            self.uploads.append(data)
            title = f"{event.uploads[0].name}: {len(data)} bytes"
            await platform.send(place, Card(title=title, tone=Tone.GOOD), key=key, reply_to=event.ref)
        elif event.text.startswith("stream "):
            await self._stream(place, event.text.removeprefix("stream "), key)
        elif event.text.startswith("/lang"):
            return
        else:
            await platform.send(place, Card(title=f"echo {event.text}"), key=key)

    async def _stream(self, place: Place, text: str, key: str) -> None:
        assert self.platform is not None
        ref = await self.platform.send(place, Answer("", AnswerState.WAITING), key=key)
        words = text.split(" ")
        for count in range(1, len(words) + 1):
            await self.go_on.wait()
            assert self.platform is not None
            await self.platform.edit(ref, Answer(" ".join(words[:count]), AnswerState.STREAMING))
        await self.platform.edit(ref, Answer(text, AnswerState.DONE, "the end"))
