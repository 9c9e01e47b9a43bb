import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.platforms.telegram import TelegramPlatform
from tests.fakes.telegram import Person, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox, LogWatch, Memory, Pauses, platform_for


@pytest.fixture
async def tg() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn() as server:
        yield server


@pytest.fixture
def ming(tg: TelegramStandIn) -> Person:
    return tg.person(1001, "Ming Li", "zh-hans")


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def platform(
    tg: TelegramStandIn, memory: Memory, pauses: Pauses, inbox: Inbox
) -> AsyncIterator[TelegramPlatform]:
    made = platform_for(tg, memory, pauses)
    await made.start(inbox.deliver)
    yield made
    await made.stop()


@pytest.fixture
def log() -> Iterator[LogWatch]:
    watch = LogWatch()
    logger = logging.getLogger("bot.platforms.telegram")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(watch)
    yield watch
    logger.removeHandler(watch)
    logger.setLevel(level)
