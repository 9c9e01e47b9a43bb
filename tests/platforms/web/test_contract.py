"""The page keeps the contract of all platforms, by real HTTP and a real WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from bot.chat.events import Ack, Deliver
from bot.chat.places import MessageRef
from bot.platforms.web import WebPlatform
from tests.contracts.platform_contract import PlatformContract
from tests.contracts.platform_world import WAIT_SECONDS, Seen
from tests.platforms.web.conftest import MAX_UPLOAD, MENU, Page, place_of
from tests.platforms.web.fakes import FakeDoor, FakeFiles, FakeLog, FakeProbes

# Parts of a body that are for the page's script, not for the reader.
_NOT_WORDS = frozenset({"kind", "tone", "token", "copy", "style", "state", "digest", "media_type", "reply_to", "label"})


def words(value: object) -> list[str]:
    """All that can be read of a body."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [word for key, part in value.items() if key not in _NOT_WORDS for word in words(part)]
    if isinstance(value, list):
        return [word for part in value for word in words(part)]
    return []


class WebWorld:
    """Ming with one open page."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        (folder / "files").mkdir()
        self.door = FakeDoor()
        self._session = session
        self.platform = WebPlatform(
            "127.0.0.1",
            0,
            door=self.door,
            log=FakeLog(),
            files=FakeFiles(folder / "files"),
            probes=FakeProbes(),
            incoming=folder / "incoming",
            menu=MENU,
            max_upload_bytes=MAX_UPLOAD,
        )
        token = self.door.admit("ming", role="admin", language="en")
        self._page = Page(session, "http://127.0.0.1:0", token, self.door.sessions[token])
        self.place = place_of(self._page)
        self._shown: dict[int, dict[str, Any]] = {}
        self._acks: dict[str, Ack] = {}
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    async def open(self, deliver: Deliver) -> None:
        await self.platform.start(deliver)
        self._page.address = self.platform.address
        await self._page.connect()
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        await self.platform.stop()
        if self._reader is not None:
            await self._reader

    async def _read(self) -> None:
        socket = self._page.socket
        assert socket is not None
        async for message in socket:
            frame = message.json()
            entries = frame.get("entries") or frame.get("history") or []
            async with self._changed:
                for entry in entries:
                    if entry["author"] == "bot":
                        self._shown[entry["id"]] = entry["body"]
                if "preview" in frame:
                    self._shown[frame["preview"]["id"]] = frame["preview"]["body"]
                if "ack" in frame:
                    self._acks[frame["ack"]] = Ack(frame["text"], frame["alert"])
                self._changed.notify_all()

    async def say(self, text: str) -> None:
        await self._page.say(text)

    async def upload(self, name: str, data: bytes) -> None:
        response = await self._page.upload(data, quote(name))
        assert response.status == 200

    async def press(self, label: str) -> Ack | None:
        number, token = next(
            (number, button["token"])
            for number, body in sorted(self._shown.items(), reverse=True)
            for row in body.get("buttons") or []
            for button in row
            if button["label"] == label
        )
        press = str(uuid4())
        await self._page.send({"press": token, "entry": number, "id": press})
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: press in self._acks)
        return self._acks[press]

    async def erase(self, ref: MessageRef) -> None:
        raise NotImplementedError

    async def sent(self) -> list[Seen]:
        found = []
        for number, body in sorted(self._shown.items()):
            labels = tuple(button["label"] for row in body.get("buttons") or [] for button in row)
            reply = body.get("reply_to")
            text = "\n".join(words(body))
            found.append(Seen(str(number), text, labels, str(cast(object, reply)) if reply is not None else None))
        return found

    async def until(self, predicate: Callable[[list[Seen]], bool]) -> list[Seen]:
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            while not predicate(await self.sent()):
                await self._changed.wait()
        return await self.sent()


class TestWeb(PlatformContract):
    """All of it but two."""

    # The page says that a message failed, and the person's page sends it again under the same id (test_live.py).
    test_what_could_not_be_stored_comes_again = None  # type: ignore[assignment]
    # Nobody can take a message of the page's log away behind its back.
    test_an_edit_of_what_is_gone = None  # type: ignore[assignment]

    @pytest.fixture
    async def world(self, tmp_path: Path, client: aiohttp.ClientSession) -> AsyncIterator[WebWorld]:
        world = WebWorld(tmp_path, client)
        yield world
        await world.close()
