"""Webhooks as the documentation says: https, known ports, a secret in a header, repeated until a 2xx."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.telegram import TelegramStandIn
from tests.fakes.telegram.client import Client
from tests.fakes.telegram.hooks import HEADER


class Receiver:
    """A bot's side: takes what is posted; fails as often as it is told."""

    def __init__(self) -> None:
        self.posts: list[tuple[str | None, dict[str, Any]]] = []
        self.failures = 0
        self.hold: asyncio.Event | None = None
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.posts.append((request.headers.get(HEADER), body))
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        if self.hold is not None and "slow" in str(body):
            await self.hold.wait()
        return web.Response()

    @property
    def texts(self) -> list[str]:
        return [body["message"]["text"] for _, body in self.posts]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
async def tg() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn(local=True) as server:
        yield server


async def test_updates_are_posted_with_the_secret(api: Client, tg: TelegramStandIn, receiver: Receiver) -> None:
    await tg.person(1).says("before")
    await api.works("setWebhook", url=receiver.address, secret_token="s3cret-_", max_connections=3)
    await tg.person(1).says("after")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert receiver.texts == ["before", "after"]
    assert {secret for secret, _ in receiver.posts} == {"s3cret-_"}
    info = await api.works("getWebhookInfo")
    assert (info["url"], info["pending_update_count"], info["max_connections"]) == (receiver.address, 0, 3)
    assert "webhook is active" in await api.refused("getUpdates")
    await api.works("deleteWebhook")
    await tg.person(1).says("to be polled")
    assert len(await api.works("getUpdates")) == 1


async def test_what_was_not_taken_is_repeated(api: Client, tg: TelegramStandIn, receiver: Receiver) -> None:
    receiver.failures = 2
    await api.works("setWebhook", url=receiver.address)
    await tg.person(1).says("one")
    await tg.person(1).says("two")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert receiver.texts == ["one", "one", "one", "two"]
    assert [status for _, status in tg.hook.posted] == [500, 500, 200, 200]
    assert receiver.posts[0][0] is None


async def test_chats_do_not_wait_for_each_other(api: Client, tg: TelegramStandIn, receiver: Receiver) -> None:
    receiver.hold = asyncio.Event()
    await api.works("setWebhook", url=receiver.address)
    await tg.person(1).says("slow")
    await tg.person(1).says("behind it")
    await tg.person(2).says("quick")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 1)
    assert receiver.texts == ["slow", "quick"]
    receiver.hold.set()
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 3)
    assert receiver.texts == ["slow", "quick", "behind it"]


async def test_what_is_refused() -> None:
    async with TelegramStandIn() as tg, aiohttp.ClientSession() as session:
        api = Client(tg, session)
        assert "HTTPS URL" in await api.refused("setWebhook", url="http://example.org/hook")
        assert "ports 80, 88, 443 or 8443" in await api.refused("setWebhook", url="https://example.org:9000/hook")
        address = "https://example.org/hook"
        for secret, reason in (("a b", "unallowed characters"), ("x" * 257, "too long"), ("", "unallowed")):
            assert reason in await api.refused("setWebhook", url=address, secret_token=secret)
        assert "max_connections" in await api.refused("setWebhook", url=address, max_connections=101)
        assert tg.webhook == ""
