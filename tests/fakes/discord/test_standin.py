"""The stand-in does what Discord's documentation says, and refuses what Discord refuses."""

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.fakes.discord import Channel, DiscordStandIn, Limits, Person, Throttle, plain


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandIn]:
    async with DiscordStandIn() as server:
        yield server


@pytest.fixture
async def http(discord: DiscordStandIn) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {discord.token}"}) as session:
        yield session


@pytest.fixture
def channel(discord: DiscordStandIn) -> Channel:
    return discord.channel(discord.guild(discord.person(1)))


async def post(http: aiohttp.ClientSession, url: str, body: Any, method: str = "POST") -> tuple[int, Any]:
    async with http.request(method, url, json=body) as response:
        return response.status, await response.json() if response.status != 204 else None


def rows(*components: Any) -> list[Any]:
    return [{"type": 1, "components": list(components)}]


def button(**more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "A", "custom_id": "a", **more}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": "x" * 2001}, 50035),
        ({"content": "x", "contents": "y"}, 50035),
        ({}, 50006),
        ({"content": "  "}, 50006),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "flags": 64}, 50035),
        ({"embeds": [{"description": "x" * 4097}]}, 50035),
        ({"embeds": [{"title": "x" * 257}]}, 50035),
        ({"embeds": [{"color": 1}]}, 50035),
        ({"embeds": [{"description": "x" * 3500}] * 2}, 50035),
        ({"embeds": [{"title": "x"}] * 11}, 50035),
        ({"content": "x", "components": rows(*[button(custom_id=str(n)) for n in range(6)])}, 50035),
        ({"content": "x", "components": rows(button()) * 6}, 50035),
        ({"content": "x", "components": rows(button(), button())}, 50035),
        ({"content": "x", "components": rows(button(label="x" * 81))}, 50035),
        ({"content": "x", "components": rows(button(custom_id="x" * 101))}, 50035),
        ({"content": "x", "components": rows({"type": 3, "custom_id": "s", "options": []})}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
        ({"content": "x", "message_reference": {"message_id": "5"}}, 50035),
    ],
)
async def test_a_message_that_discord_refuses(
    discord: DiscordStandIn, http: aiohttp.ClientSession, channel: Channel, body: Any, code: int
) -> None:
    status, told = await post(http, f"{discord.api_base}/channels/{channel.id}/messages", body)
    assert (status, told["code"]) == (400, code)
    assert discord.messages(channel) == []


async def test_a_nonce_makes_a_message_once(
    discord: DiscordStandIn, http: aiohttp.ClientSession, channel: Channel
) -> None:
    url = f"{discord.api_base}/channels/{channel.id}/messages"
    first = await post(http, url, {"content": "x", "nonce": "n", "enforce_nonce": True})
    again = await post(http, url, {"content": "x", "nonce": "n", "enforce_nonce": True})
    assert first[1]["id"] == again[1]["id"]
    assert (await post(http, url, {"content": "x", "nonce": "n"}))[1]["id"] != first[1]["id"]


async def test_tokens_channels_and_messages_that_are_not_there(
    discord: DiscordStandIn, http: aiohttp.ClientSession, channel: Channel
) -> None:
    async with aiohttp.ClientSession() as stranger:
        assert (await post(stranger, f"{discord.api_base}/users/@me", None, "GET"))[0] == 401
    assert (await post(http, f"{discord.api_base}/channels/5/messages", {"content": "x"}))[1]["code"] == 10003
    gone = f"{discord.api_base}/channels/{channel.id}/messages/5"
    assert (await post(http, gone, {"content": "x"}, "PATCH"))[1]["code"] == 10008
    assert (await post(http, f"{discord.api_base}/no/such/route", {}))[0] == 404
    said = await discord.person(1).says("x", channel)
    url = f"{discord.api_base}/channels/{channel.id}/messages/{said.id}"
    assert (await post(http, url, {"content": "y"}, "PATCH"))[1]["code"] == 50005


async def test_limits_are_told_before_they_are_enforced(
    discord: DiscordStandIn, http: aiohttp.ClientSession, channel: Channel
) -> None:
    discord.limits = Limits(calls=2, seconds=60)
    url = f"{discord.api_base}/channels/{channel.id}/messages"
    left = []
    for _ in range(2):
        async with http.post(url, json={"content": "x"}) as response:
            left.append(response.headers["X-RateLimit-Remaining"])
    assert left == ["1", "0"]
    async with http.post(url, json={"content": "x"}) as response:
        assert response.status == 429
        assert 0 < (await response.json())["retry_after"] <= 60
        assert response.headers["Via"]
    discord.limits = None
    discord.next("POST messages", Throttle(1.5))
    assert (await post(http, url, {"content": "x"}))[1]["retry_after"] == 1.5


async def test_an_interaction_is_answered_once_and_in_time(
    discord: DiscordStandIn, http: aiohttp.ClientSession, channel: Channel
) -> None:
    made = await discord.interact(discord.person(1), 2, channel, {"name": "x"})
    url = f"{discord.api_base}/interactions/{made.id}/{made.token}/callback"
    hook = f"{discord.api_base}/webhooks/100000000000000009/{made.token}"
    assert (await post(http, hook, {"content": "x"}))[1]["code"] == 10015
    assert (await post(http, url, {"type": 6}))[0] == 400
    assert (await post(http, url, {"type": 5, "data": {"flags": 64}}))[0] == 204
    assert (await post(http, url, {"type": 5}))[1]["code"] == 40060
    # The first further answer takes the place of the one that was put off, and is as hidden.
    status, shown = await post(http, hook, {"content": "x"})
    assert shown["id"] == made.original
    assert discord.messages(channel, discord.person(1))[0].to == "1"
    direct = f"{discord.api_base}/channels/{channel.id}/messages/{shown['id']}"
    assert (await post(http, direct, {"content": "y"}, "PATCH"))[1]["code"] == 10008
    assert (await post(http, f"{hook}/messages/@original", {"content": "y"}, "PATCH"))[0] == 200
    made.expired = True
    assert (await post(http, f"{hook}/messages/@original", {"content": "z"}, "PATCH"))[1]["code"] == 50027
    late = await discord.interact(discord.person(1), 2, channel, {"name": "x"})
    late.began -= 3.1
    url = f"{discord.api_base}/interactions/{late.id}/{late.token}/callback"
    assert (await post(http, url, {"type": 5}))[1]["code"] == 10062
    assert status == 200


@pytest.mark.parametrize(
    "command",
    [
        {"name": "Upper", "description": "x"},
        {"name": "x", "description": ""},
        {"name": "x", "description": "y" * 101},
        {"name": "x", "description": "y", "name_localizations": {"zh": "训练"}},
        {"name": "x", "description": "y", "options": [{"type": 3, "name": "a", "description": "b"}] * 2},
        {
            "name": "x",
            "description": "y",
            "options": [
                {"type": 3, "name": "a", "description": "b"},
                {"type": 3, "name": "c", "description": "d", "required": True},
            ],
        },
        {"name": "x", "description": "y", "hidden": True},
    ],
)
async def test_a_command_that_discord_refuses(
    discord: DiscordStandIn, http: aiohttp.ClientSession, command: Any
) -> None:
    url = f"{discord.api_base}/applications/100000000000000009/commands"
    assert (await post(http, url, [command], "PUT"))[1]["code"] == 50035
    assert discord.commands == {}


async def test_the_gateway_as_it_is_written_down(discord: DiscordStandIn, channel: Channel) -> None:
    ming: Person = discord.person(1)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{discord.gateway.url}?v=10&encoding=json&compress=zlib-stream") as socket:
            inflater = zlib.decompressobj()

            async def read() -> Any:
                return json.loads(inflater.decompress((await socket.receive()).data))

            assert (await read())["d"]["heartbeat_interval"] == 41_250
            await socket.send_json({"op": 1, "d": None})
            assert (await read())["op"] == 11
            identify = {"token": discord.token, "intents": (1 << 0) | (1 << 9), "properties": {}}
            await socket.send_json({"op": 2, "d": identify})
            ready, joined = await read(), await read()
            assert (ready["t"], ready["s"]) == ("READY", 1)
            assert joined["t"] == "GUILD_CREATE"
            await ming.says("hidden", channel)
            await ming.says("<@100000000000000001> seen", channel)
            assert [(await read())["d"]["content"] for _ in range(2)] == ["", "<@100000000000000001> seen"]
            await discord.gateway.drop(None)
        await ming.says("missed <@100000000000000001>", channel)
        async with session.ws_connect(f"{discord.gateway.url}?v=10&encoding=json") as socket:
            assert (await socket.receive_json())["op"] == 10
            given = {"token": discord.token, "session_id": ready["d"]["session_id"], "seq": 3}
            await socket.send_json({"op": 6, "d": given})
            assert [(await socket.receive_json())["s"] for _ in range(2)] == [4, 5]
            assert (await socket.receive_json())["t"] == "RESUMED"
            await socket.send_json({"op": 6, "d": {**given, "session_id": "no"}})
            assert await socket.receive_json() == {"op": 9, "d": False}
        for wrong, code in (({"token": "no"}, 4004), ({"intents": 1 << 15}, 4014)):
            async with session.ws_connect(f"{discord.gateway.url}?v=10&encoding=json") as socket:
                await socket.receive()
                await socket.send_json({"op": 2, "d": {**identify, **wrong}})
                await socket.receive()
                assert socket.close_code == code


def test_markdown_is_read_as_people_read_it() -> None:
    assert plain("-# \\*a\\* **b** `c\\*` https://a.b/\\_ ||d||") == "*a* b c\\* https://a.b/\\_ d"
    assert plain("```py\nx\\*\n```") == "x\\*"
