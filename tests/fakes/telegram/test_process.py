"""The stand-in as a process: steered and read over HTTP, by a program that shares nothing with it."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

CHAT, GROUP = 11, -1001


class Remote:
    """Talks to the process."""

    def __init__(self, session: aiohttp.ClientSession, place: dict[str, str]) -> None:
        self.session = session
        self.place = place

    async def asks(self, what: str, status: int = 200, /, **fields: Any) -> dict[str, Any]:
        async with self.session.post(f"{self.place['control']}/{what}", json=fields) as response:
            assert response.status == status, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer

    async def reads(self, name: str, **query: Any) -> dict[str, Any]:
        async with self.session.get(f"{self.place['control']}/{name}", params=query) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def calls(self, method: str, **parameters: Any) -> dict[str, Any]:
        url = f"{self.place['api_base']}/bot{self.place['token']}/{method}"
        async with self.session.post(url, data=parameters) as response:
            answer: dict[str, Any] = await response.json()
            return answer


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.telegram", "--port", "0", "--flood", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    place = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession() as session:
        yield Remote(session, place)
    process.terminate()
    assert await process.wait() == 0


async def test_people_speak_and_the_bot_is_watched(remote: Remote) -> None:
    await remote.asks("people", id=CHAT, name="Ming Li", language="zh")
    await remote.asks("groups", id=GROUP, title="Team", topics=[5])
    said = await remote.asks("say", person=CHAT, text="hello")
    await remote.asks("say", person=CHAT, text="in the topic", chat=GROUP, thread=5)
    await remote.asks("edit", person=CHAT, message=said["message"], text="hello!")
    updates = (await remote.calls("getUpdates"))["result"]
    kinds = [(update.get("message") or update["edited_message"])["text"] for update in updates]
    assert kinds == ["hello", "in the topic", "hello!"]
    keyboard = json.dumps({"inline_keyboard": [[{"text": "Stop", "callback_data": "s"}]]})
    before = time.monotonic()
    sent = (await remote.calls("sendMessage", chat_id=CHAT, text="算 🏠", reply_markup=keyboard))["result"]
    await remote.calls("sendMessage", chat_id=CHAT, text="2")
    await remote.calls("sendMessage", chat_id=CHAT, text="3")
    press = await remote.asks("press", person=CHAT, message=sent["message_id"], button="Stop")
    assert press["query"]
    found = await remote.reads("timeline", since=1)
    assert [call["verdict"] for call in found["calls"]] == ["ok", "ok", "earned"]
    first = found["calls"][0]
    assert (first["method"], first["chat"], first["message"]) == ("sendMessage", CHAT, sent["message_id"])
    assert (first["units"], first["text"], first["outcome"]) == (4, "算 🏠", "ok")
    assert before <= first["arrived"] <= first["answered"] <= found["now"] <= time.monotonic()
    assert found["next"] == 4
    assert "text" not in (await remote.reads("timeline", text=0))["calls"][1]
    shown = (await remote.reads("messages", chat=CHAT))["messages"]
    assert [(message["text"], message["labels"]) for message in shown] == [("算 🏠", ["Stop"]), ("2", [])]
    await remote.asks("reset")
    assert (await remote.reads("timeline"))["calls"] == []


async def test_the_flood_is_set_from_outside(remote: Remote) -> None:
    await remote.asks("people", id=CHAT)
    await remote.asks("flood", storm=1.0, storm_shortest=4, storm_longest=4, seed=3)
    answer = await remote.calls("sendMessage", chat_id=CHAT, text="x")
    assert answer["parameters"] == {"retry_after": 4}
    await remote.asks("flood", off=True)
    for _ in range(5):
        assert (await remote.calls("sendMessage", chat_id=CHAT, text="x"))["ok"]


async def test_what_cannot_be_done_is_said(remote: Remote) -> None:
    assert "KeyError" in (await remote.asks("say", 400, person=404, text="x"))["error"]
    assert "TypeError" in (await remote.asks("flood", 400, colour="red"))["error"]


async def test_messages_go_people_leave_and_calls_fail(remote: Remote) -> None:
    await remote.asks("people", id=CHAT)
    sent = (await remote.calls("sendMessage", chat_id=CHAT, text="x"))["result"]["message_id"]
    await remote.asks("erase", person=CHAT, message=sent)
    gone = await remote.calls("editMessageText", chat_id=CHAT, message_id=sent, text="y")
    assert gone["description"] == "Bad Request: message to edit not found"
    await remote.asks("flood", off=True)
    await remote.asks("block", person=CHAT)
    assert (await remote.calls("sendMessage", chat_id=CHAT, text="x"))["error_code"] == 403
    await remote.asks("block", person=CHAT, blocked=False)
    await remote.asks("trouble", method="sendMessage", trouble="failure", times=2, code=500, description="Internal")
    await remote.asks("latency", seconds=0.01)
    codes = [(await remote.calls("sendMessage", chat_id=CHAT, text="x")).get("error_code") for _ in range(3)]
    assert codes == [500, 500, None]
