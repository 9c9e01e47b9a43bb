from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.telegram import Person, TelegramStandIn
from tests.fakes.telegram.client import Client


@pytest.fixture
async def tg() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn() as server:
        yield server


@pytest.fixture
async def api(tg: TelegramStandIn) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(tg, session)


@pytest.fixture
def ming(tg: TelegramStandIn) -> Person:
    return tg.person(1)
