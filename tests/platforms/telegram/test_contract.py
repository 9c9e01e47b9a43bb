"""Telegram keeps the contract of all platforms, through the real library and real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bot.chat.events import Ack, Deliver
from bot.chat.places import MessageRef
from bot.platforms.telegram import WebhookAddress
from tests.contracts.platform_contract import PlatformContract
from tests.contracts.platform_world import WAIT_SECONDS, Seen
from tests.fakes.telegram import TelegramStandIn
from tests.platforms.telegram.helpers import platform_for, private, webhook_address


class TelegramWorld:
    """Ming and the bot, in private."""

    def __init__(self, server: TelegramStandIn, webhook: WebhookAddress | None = None) -> None:
        self.server = server
        self.person = server.person(1001, "Ming Li")
        self.platform = platform_for(server, webhook=webhook)
        self.place = private(1001)

    async def open(self, deliver: Deliver) -> None:
        await self.platform.start(deliver)

    async def close(self) -> None:
        await self.platform.stop()

    async def say(self, text: str) -> None:
        await self.person.says(text)

    async def upload(self, name: str, data: bytes) -> None:
        await self.person.sends_file(name, data)

    async def press(self, label: str) -> Ack | None:
        message = next(shown for shown in reversed(self.server.messages(self.person)) if label in shown.labels)
        query = await self.person.presses(message, label)
        await self.server.wait_for(lambda: query.answer)
        assert query.answer is not None
        return Ack(query.answer["text"], query.answer["show_alert"])

    async def erase(self, ref: MessageRef) -> None:
        del self.server.shown[self.person.id][int(ref.id)]

    async def sent(self) -> list[Seen]:
        return [
            Seen(
                str(shown.id),
                shown.text,
                tuple(shown.labels),
                None if shown.reply_to is None else str(shown.reply_to),
            )
            for shown in self.server.messages(self.person)
        ]

    async def until(self, predicate: Callable[[list[Seen]], bool]) -> list[Seen]:
        async with asyncio.timeout(WAIT_SECONDS), self.server.changed:
            while not predicate(seen := await self.sent()):
                await self.server.changed.wait()
        return seen


class TestTelegram(PlatformContract):
    """All of it but one."""

    # Telegram recognises no repeat: the courier never sends twice here (tests/answering).
    test_the_same_key_twice = None  # type: ignore[assignment]

    @pytest.fixture
    async def world(self) -> AsyncIterator[TelegramWorld]:
        async with TelegramStandIn() as server:
            yield TelegramWorld(server)


class TestTelegramByWebhook(TestTelegram):
    """The same when Telegram posts its updates."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[TelegramWorld]:
        async with TelegramStandIn(local=True) as server:
            yield TelegramWorld(server, webhook_address())
