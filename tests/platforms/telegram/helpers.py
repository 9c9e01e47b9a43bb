"""What stands above the platform in its tests: an inbox, a memory of the position, a pause that takes no time."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from bot.chat.content import MenuEntry
from bot.chat.events import Ack, Event, Message, Press
from bot.chat.places import Place, PlaceKind
from bot.platforms.telegram import TelegramPlatform, WebhookAddress
from tests.fakes.telegram import TelegramStandIn

MENU = (
    MenuEntry("train", "trainer", "[N] [flags]", {"zh": "开始训练", "en": "Start training"}),
    MenuEntry("help", "guest", "", {"zh": "帮助", "en": "Help"}),
    MenuEntry("invite", "admin", "[role]", {"zh": "邀请", "en": "Invite"}),
)


class Memory:
    """Keeps the position; outlives the platforms of a test."""

    def __init__(self) -> None:
        self.offset: int | None = None
        self.saved: list[int] = []
        self.error: Exception | None = None

    async def load(self) -> int | None:
        return self.offset

    async def save(self, offset: int) -> None:
        if self.error is not None:
            raise self.error
        self.offset = offset
        self.saved.append(offset)


class Pauses:
    """Records how long the platform would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class LogWatch(logging.Handler):
    """What the platform logs; a test can wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")
        self._news.set()

    async def until(self, part: str) -> None:
        async with asyncio.timeout(10):
            while not any(part in line for line in self.lines):
                self._news.clear()
                await self._news.wait()


class Inbox:
    """Takes events in. ``before`` runs first and may wait or raise; ``handling`` may once they are stored."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tried: list[Event] = []
        self.ack: Ack | None = None
        self.before: Callable[[Event], Awaitable[None]] | None = None
        self.handling: Callable[[Event], Awaitable[None]] | None = None
        self._changed = asyncio.Condition()

    async def deliver(self, event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        self.tried.append(event)
        async with self._changed:
            self._changed.notify_all()
        if self.before is not None:
            await self.before(event)
        stored()
        if self.handling is not None:
            await self.handling(event)
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        return self.ack if isinstance(event, Press) else None

    async def until(self, predicate: Callable[["Inbox"], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: predicate(self))

    async def message(self, number: int = 0) -> Message:
        await self.until(lambda inbox: len(inbox.events) > number)
        event = self.events[number]
        assert isinstance(event, Message)
        return event

    async def press(self, number: int = 0) -> Press:
        await self.until(lambda inbox: len(inbox.events) > number)
        event = self.events[number]
        assert isinstance(event, Press)
        return event

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]


def platform_for(
    tg: TelegramStandIn,
    memory: Memory | None = None,
    pauses: Pauses | None = None,
    webhook: WebhookAddress | None = None,
) -> TelegramPlatform:
    return TelegramPlatform(
        tg.token,
        api_base=tg.api_base,
        menu=MENU,
        offset_store=memory or Memory(),
        webhook=webhook,
        pause=pauses or Pauses(),
    )


def webhook_address() -> WebhookAddress:
    """On a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return WebhookAddress(f"http://127.0.0.1:{port}/telegram/hook", "127.0.0.1", port, "a-secret_1")


def private(person_id: int) -> Place:
    return Place("telegram", str(person_id))


def group(group_id: int, thread: str = "") -> Place:
    return Place("telegram", str(group_id), thread, PlaceKind.GROUP)
