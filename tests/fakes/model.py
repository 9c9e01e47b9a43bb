"""A model server of OpenAI's wire format, over real HTTP on loopback, that says what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from finetune.providers.provider import Endpoint
from tests.fakes.providers.echoes import echo_as_prompt

KEY = "sk-test-key-of-the-stand-in"


class ModelStandIn:
    """Streams ``words``; keeps every request. ``hold``: wait before the last word until it is set."""

    def __init__(self) -> None:
        self.words = ["The ", "tea ", "leaves ", "settle."]
        self.thoughts: list[str] = []
        self.raw: list[bytes] | None = None  # sent as it stands, instead of words
        self.statuses: list[int] = []  # answers to the next requests, before ``status``
        self.silent: asyncio.Event | None = None  # nothing is sent until it is set
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        self.retry_after: str | None = None
        self.cut = False
        self.finish = "stop"
        self.hold: asyncio.Event | None = None
        self.spoke = asyncio.Event()
        self.left = asyncio.Event()
        # What a request without a stream is answered, from its body; the words if not told.
        self.reply: Callable[[dict[str, Any]], str] | None = None
        self.endpoint = Endpoint("", KEY, "model", 2048)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        self.requests.append(await request.json())
        status = self.statuses.pop(0) if self.statuses else self.status
        if status != 200:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return web.json_response({"error": {"message": "no"}}, status=status, headers=headers)
        if not self.requests[-1].get("stream"):
            body = self.requests[-1]
            if self.silent is not None:
                await self.silent.wait()
            return self._whole(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            if self.silent is not None:
                await self.silent.wait()
            for raw in self.raw or ():
                await response.write(raw)
            for thought in self.thoughts:
                await self._send(response, {"choices": [{"index": 0, "delta": {"reasoning_content": thought}}]})
            for index, word in enumerate(self.words):
                if index == len(self.words) - 1:
                    self.spoke.set()
                    if self.hold is not None:
                        await self.hold.wait()
                await self._send(response, {"choices": [{"index": 0, "delta": {"content": word}}]})
            if self.cut:
                return response
            await self._send(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]})
            await self._send(response, {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 4}})
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    def _whole(self, body: dict[str, Any]) -> web.Response:
        text = "".join(self.words) if self.reply is None else self.reply(body)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        usage = {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}
        answer = {"id": "c", "object": "chat.completion", "created": 0, "model": body["model"]}
        whole: dict[str, Any] = {**answer, "choices": [choice], "usage": usage}
        if body.get("echo"):
            echo_as_prompt(whole, body)
        return web.json_response(whole)

    async def _send(self, response: web.StreamResponse, chunk: dict[str, Any]) -> None:
        body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "model", **chunk}
        await response.write(f"data: {json.dumps(body)}\n\n".encode())


@asynccontextmanager
async def model_stand_in() -> AsyncIterator[ModelStandIn]:
    """Serve one on a free port."""
    found = ModelStandIn()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", found._chat)
    # A client that hangs up must be seen: that is how a stopped answer stops the model.
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found.endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", KEY, "model", 2048, {"cache_prompt": True})
    try:
        yield found
    finally:
        await runner.cleanup()
