import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from bot.platforms.discord.platform import DiscordPlatform
from tests.fakes.discord import Channel, DiscordStandIn, Guild, Person
from tests.platforms.discord.helpers import Completes, Memory, Pauses, platform_for
from tests.platforms.telegram.helpers import Inbox


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """simcord looks at the timers of Python's own loop."""
    return {"asyncio": asyncio.new_event_loop} if item.path.name == "test_second_judge.py" else None


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandIn]:
    async with DiscordStandIn() as server:
        yield server


@pytest.fixture
def ming(discord: DiscordStandIn) -> Person:
    return discord.person(1001, "Ming Li")


@pytest.fixture
def lan(discord: DiscordStandIn) -> Person:
    return discord.person(1002, "Lan", "en-US")


@pytest.fixture
def guild(discord: DiscordStandIn, ming: Person, lan: Person) -> Guild:
    return discord.guild(ming, lan)


@pytest.fixture
def channel(discord: DiscordStandIn, guild: Guild) -> Channel:
    return discord.channel(guild)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def completes() -> Completes:
    return Completes()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def platform(
    discord: DiscordStandIn, channel: Channel, memory: Memory, completes: Completes, inbox: Inbox
) -> AsyncIterator[DiscordPlatform]:
    """Connected, its commands published, in the server."""
    made = platform_for(discord, memory, Pauses(), completion=completes)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected and discord.commands)
    yield made
    await made.stop()
