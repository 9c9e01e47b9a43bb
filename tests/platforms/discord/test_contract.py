"""Discord keeps the contract of all platforms, through the real discord.py, real HTTP and a real websocket."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bot.chat.events import Ack, Deliver
from bot.chat.places import MessageRef
from tests.contracts.platform_contract import PlatformContract
from tests.contracts.platform_world import WAIT_SECONDS, Seen
from tests.fakes.discord import DiscordStandIn
from tests.platforms.discord.helpers import place, platform_for


class DiscordWorld:
    """Ming and the bot, in direct messages."""

    def __init__(self, server: DiscordStandIn) -> None:
        self.server = server
        self.person = server.person(1001, "Ming Li")
        self.platform = platform_for(server)
        self.place = place(server.private(self.person))

    async def open(self, deliver: Deliver) -> None:
        await self.platform.start(deliver)
        await self.server.wait_for(lambda: self.server.gateway.connected)

    async def close(self) -> None:
        await self.platform.stop()

    async def say(self, text: str) -> None:
        await self.person.says(text)

    async def upload(self, name: str, data: bytes) -> None:
        await self.person.sends_file(name, data)

    async def press(self, label: str) -> Ack | None:
        message = next(shown for shown in reversed(self.server.messages(self.person)) if label in shown.labels)
        made = await self.person.presses(message, label)
        await self.server.wait_for(lambda: made.answer)
        assert made.answer is not None
        return Ack(str((made.answer.get("data") or {}).get("content", "")))

    async def erase(self, ref: MessageRef) -> None:
        self.server.shown[ref.id].deleted = True

    async def sent(self) -> list[Seen]:
        return [
            Seen(shown.id, shown.text, tuple(shown.labels), shown.reply_to)
            for shown in self.server.messages(self.person)
            if not shown.to
        ]

    async def until(self, predicate: Callable[[list[Seen]], bool]) -> list[Seen]:
        async with asyncio.timeout(WAIT_SECONDS), self.server.changed:
            while not predicate(seen := await self.sent()):
                await self.server.changed.wait()
        return seen


class TestDiscord(PlatformContract):
    """All of it."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[DiscordWorld]:
        async with DiscordStandIn() as server:
            yield DiscordWorld(server)
