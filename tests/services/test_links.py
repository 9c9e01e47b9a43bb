"""Files behind links: real HTTP on loopback, from allowed hosts only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot.chat.errors import UserError
from bot.services.links import Links, is_link
from tests.services.world import World, dataset


@asynccontextmanager
async def served(gate: asyncio.Event | None = None) -> AsyncIterator[str]:
    """A server with a file and everything that goes wrong with one; gives its ``host:port``.

    What is under ``/slow`` begins when ``gate`` is set.
    """

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=dataset())

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async def slow(_: web.Request) -> web.Response:
        assert gate is not None
        await gate.wait()
        return web.Response(body=dataset())

    async def to(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["where"])

    app = web.Application()
    app.add_routes(
        [web.get("/data/teller.jsonl", file), web.get("/broken", broken), web.get("/slow", slow), web.get("/to", to)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def taken(links: Links, address: str) -> tuple[str, bytes]:
    async with links.open(address) as (name, chunks):
        return name, b"".join([piece async for piece in chunks])


async def test_a_file_of_an_allowed_host_is_taken() -> None:
    async with served() as host:
        links = Links([host.upper()], 1_000_000)
        assert await taken(links, f"http://{host}/data/teller.jsonl?x=1") == ("teller.jsonl", dataset())
        assert await taken(links, f"http://{host}/to?where=/data/teller.jsonl") == ("teller.jsonl", dataset())


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/data/other.jsonl", "link_failed"),
        ("/broken", "link_failed"),
        ("/to?where=/to?where=/to", "link_failed"),
        ("/to?where=http://127.0.0.2/data/teller.jsonl", "link_host"),
        ("/to?where=file:///etc/passwd", "link_host"),
    ],
)
async def test_what_cannot_be_taken_is_said(path: str, key: str) -> None:
    async with served() as host:
        with pytest.raises(UserError) as caught:
            await taken(Links([host], 1_000_000), f"http://{host}{path}")
    assert caught.value.key == key


async def test_what_is_too_large_is_not_begun() -> None:
    async with served() as host:
        with pytest.raises(UserError) as caught:
            await taken(Links([host], 100), f"http://{host}/data/teller.jsonl")
    assert caught.value.key == "upload_too_large"


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/x", "http://example.org@allowed.org/x", "http://allowed.org.evil.org/x", "http://[broken/x"],
)
async def test_other_hosts_are_refused_before_anything_is_sent(address: str) -> None:
    with pytest.raises(UserError) as caught:
        await taken(Links(["allowed.org"], 100), address)
    assert caught.value.key in ("link_host", "link_needed")


def test_what_is_a_link() -> None:
    assert is_link("https://example.org/a.jsonl")
    assert not is_link("look at https://example.org")
    assert not is_link("ftp://example.org/a")


async def test_without_allowed_hosts_nothing_is_fetched(world: World) -> None:
    ann = await world.owner()
    await ann.says("/fetch https://example.org/a.jsonl")
    await world.chats.until(lambda: "Files are not taken from example.org" in world.chats.text())
    await ann.says("/fetch")
    await world.chats.until(lambda: "Send one web address" in world.chats.text())


async def test_a_slow_link_holds_nobody_up(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with served(gate) as host:
        world = World(tmp_path, links=host)
        await world.start()
        try:
            ann = await world.owner()
            await ann.says(f"/fetch http://{host}/slow")
            await ann.says("/whoami")
            await world.chats.until(lambda: world.titles("This is you"))
            assert not world.titles("is ready as")
            gate.set()
            await world.chats.until(lambda: world.titles("slow is ready as /ds_1"))
        finally:
            await world.stop()
