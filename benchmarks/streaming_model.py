"""A model server of a fixed token schedule: ``python -m benchmarks.streaming_model``, its address as a line of JSON.

Every request is answered with as many tokens as ``max_tokens`` says, ``rate`` a second, each at its own moment after
the first, and each as an event of its own. ``GET /log`` says when each answer began (``time.monotonic``).
"""

import argparse
import asyncio
import hashlib
import json
import sys
import time

import orjson
import uvloop
from aiohttp import web


def token(number: int, width: int) -> str:
    """The text of a token: digits that do not repeat themselves (a bot may cut off what does), and a blank at its end
    or, where it has one character, in place of every tenth.
    """
    digits = str(int(hashlib.sha256(str(number).encode()).hexdigest(), 16))
    if width == 1:
        return " " if number % 10 == 9 else digits[-1]
    return f"{digits[1 - width :]} "


class Schedule:
    """The server."""

    def __init__(self, rate: float, width: int, first: float) -> None:
        self._rate, self._width, self._first = rate, width, first
        self.begun: dict[str, float] = {}

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One answer."""
        asked = await request.json()
        count = int(asked["max_tokens"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(self._first)
        begun = time.monotonic()
        self.begun[asked["messages"][-1]["content"]] = begun
        for number in range(count):
            wait = begun + number / self._rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await response.write(_event({"content": token(number, self._width)}, None))
        await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
        return response

    async def log(self, request: web.Request) -> web.Response:
        """When each answer began, by its question."""
        return web.json_response(self.begun)


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "schedule",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--first", type=float, default=0.3)
    arguments = parser.parse_args()
    schedule = Schedule(arguments.rate, arguments.width, arguments.first)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", schedule.chat)
    app.router.add_get("/log", schedule.log)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    sys.stdout.write(json.dumps({"address": f"http://127.0.0.1:{runner.addresses[0][1]}"}) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
