"""A house with the page in it, and visitors who speak HTTP."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast
from uuid import uuid4

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, expect
from playwright.async_api import Page as BrowserPage

from bot.chat.content import MenuEntry
from bot.chat.events import Deliver
from bot.chat.places import Place
from bot.platforms.web import WebPlatform
from bot.platforms.web.guard import csrf_token
from bot.platforms.web.ports import Visitor
from tests.platforms.web.fakes import EchoBot, FakeDoor, FakeFiles, FakeLog, FakeProbes, Inbox

MAX_UPLOAD = 12_000_000
MENU = (
    MenuEntry("start", "guest", "", {"zh": "从这里开始", "en": "Start here"}),
    MenuEntry("train", "trainer", "[N] [flags]", {"zh": "开始微调", "en": "Fine-tune a model"}),
    MenuEntry("try", "trainer", "vN", {"zh": "试用模型", "en": "Try a tuned model"}),
    MenuEntry("invite", "admin", "", {"zh": "邀请", "en": "Invite somebody"}),
)


class House:
    """Everything that outlives a server: a new platform over it is a restart."""

    def __init__(self, folder: Path) -> None:
        self.door = FakeDoor()
        self.log = FakeLog()
        (folder / "files").mkdir()
        self.files = FakeFiles(folder / "files")
        self.probes = FakeProbes()
        self.incoming = folder / "incoming"
        self.inbox = Inbox()
        self.port = 0
        self.platform: WebPlatform | None = None

    async def open(self, deliver: Deliver | None = None, host: str = "127.0.0.1", public_url: str = "") -> WebPlatform:
        """Start the page; the second time on the same port, as after a restart."""
        self.platform = WebPlatform(
            host,
            self.port,
            door=self.door,
            log=self.log,
            files=self.files,
            probes=self.probes,
            incoming=self.incoming,
            menu=MENU,
            max_upload_bytes=MAX_UPLOAD,
            public_url=public_url,
        )
        await self.platform.start(deliver or self.inbox.deliver)
        self.port = int(self.platform.address.rsplit(":", 1)[1])
        return self.platform

    async def close(self) -> None:
        if self.platform is not None:
            await self.platform.stop()
            self.platform = None


class Page:
    """One browser's page, as far as the server can tell."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str, visitor: Visitor) -> None:
        self.session = session
        self.address = address
        self.token = token
        self.visitor = visitor
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.frames: list[dict[str, object]] = []

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Origin": self.address,
            "X-Csrf-Token": csrf_token(self.token),
            "Cookie": f"tuneteller_{self.address.rsplit(':', 1)[1]}={self.token}",
        }

    async def connect(self, since: int | None = None) -> None:
        self.socket = await self.session.ws_connect(f"{self.address}/ws?language=en", headers=self.headers)
        await self.send({"since": since})

    async def send(self, frame: dict[str, object]) -> None:
        assert self.socket is not None
        await self.socket.send_str(json.dumps(frame))

    async def say(self, text: str, name: str = "") -> str:
        name = name or str(uuid4())
        await self.send({"send": text, "id": name})
        return name

    async def until(self, key: str, matches: Callable[[dict[str, object]], bool] = lambda _: True) -> dict[str, object]:
        """The next frame with this key; those before it are kept in ``frames``."""
        assert self.socket is not None
        async with asyncio.timeout(10):
            while True:
                frame: dict[str, object] = json.loads(await self.socket.receive_str())
                self.frames.append(frame)
                if key in frame and matches(frame):
                    return frame

    async def upload(self, data: object, name: str = "data.jsonl", **headers: str) -> aiohttp.ClientResponse:
        more = {"X-File-Name": name, "X-Message-Id": str(uuid4()), **headers}
        if isinstance(data, bytes):
            data = io.BytesIO(data)
        return await self.session.post(f"{self.address}/upload", data=data, headers={**self.headers, **more})


Visit = Callable[..., Awaitable[Page]]
Frame = dict[str, object]


def place_of(page: Page) -> Place:
    return Place("web", page.visitor.room)


def shown(frames: list[Frame]) -> list[Frame]:
    """The bodies in entries and history frames, in the order in which they came."""
    found: list[Frame] = []
    for frame in frames:
        found += [entry["body"] for entry in cast(list[Frame], frame.get("entries") or frame.get("history") or [])]  # type: ignore[misc]
    return found


def entries(frame: Frame) -> list[Frame]:
    return cast(list[Frame], frame.get("entries") or frame["history"])


def is_answer(state: str) -> Callable[[Frame], bool]:
    return lambda frame: any(cast(Frame, entry["body"]).get("state") == state for entry in entries(frame))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def visit(house: House, client: aiohttp.ClientSession) -> Visit:
    async def go(account: str = "ming", role: str = "admin", language: str = "en") -> Page:
        token = house.door.admit(account, role=role, language=language)
        assert house.platform is not None
        return Page(client, house.platform.address, token, house.door.sessions[token])

    return go


@pytest.fixture
async def bot(house: House) -> AsyncIterator[EchoBot]:
    bot = EchoBot()
    bot.platform = await house.open(bot.deliver)
    yield bot
    bot.go_on.set()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(locale="en-US", viewport={"width": 1000, "height": 760})
    context.set_default_timeout(10_000)
    yield context
    await context.close()


@pytest.fixture
async def page(context: BrowserContext, house: House, bot: EchoBot) -> AsyncIterator[BrowserPage]:
    """Signed in, in an empty room."""
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    assert bot.platform is not None
    await page.goto(f"{bot.platform.address}/#code=owner-code")
    await page.fill("#name", "Ming")
    await page.click("#enter")
    await expect(page.locator("#state")).to_have_text("Connected")
    yield page
    assert faults == []
