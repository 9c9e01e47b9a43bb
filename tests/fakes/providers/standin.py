"""What the stand-ins of training providers share: real HTTP on loopback, a log of what was said, and bad days."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

KEY = "sk-key-of-the-stand-in"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Trouble(StrEnum):
    """What may happen to a request."""

    BUSY = "429"
    DOWN = "503"
    GATEWAY = "504"
    HTML = "html"
    TRUNCATED = "truncated"
    ODD = "odd"  # JSON of another shape
    DROPPED = "dropped"  # the connection ends before anything is done
    LOST = "lost"  # what was asked for is done, the answer never arrives
    SLOW = "slow"  # nothing comes until ``patience`` is set


@dataclass
class Exchange:
    """One request and its answer, as a fixture shows it."""

    method: str
    path: str
    sent: Any
    status: int
    answered: Any

    def as_json(self) -> dict[str, Any]:
        return {
            "request": f"{self.method} {self.path}",
            **({} if self.sent is None else {"sent": self.sent}),
            "status": self.status,
            "answered": self.answered,
        }


@dataclass
class StandIn:
    """Base of the stand-ins. ``troubles``: what happens to the next requests, one each; ``only``: to paths with it."""

    troubles: list[Trouble] = field(default_factory=list)
    only: str = ""
    method: str = ""
    retry_after: str | None = None
    patience: asyncio.Event = field(default_factory=asyncio.Event)
    exchanges: list[Exchange] = field(default_factory=list)
    base_url: str = ""
    # Whatever is asked for is done at once: for walks through a whole bot, which asks every half minute only.
    instant: bool = False

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        """An error in the provider's own shape."""
        raise NotImplementedError

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    def public(self, request: web.Request) -> bool:
        """Whether a path needs no key."""
        return request.path.startswith("/pictures/")

    def asked(self, method: str, path: str) -> int:
        """How often."""
        return sum(1 for found in self.exchanges if found.method == method and found.path.split("?")[0] == path)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = await _sent(request)
        if not self.public(request) and not self.authorised(request):
            return self._note(request, sent, self.refusal(401, "invalid_api_key", "Invalid token"))
        matches = self.only in request.path and self.method in ("", request.method)
        trouble = self.troubles.pop(0) if self.troubles and matches else None
        if trouble is None:
            return self._note(request, sent, await handler(request))
        return self._note(request, sent, await self._trouble(trouble, request, handler))

    async def _trouble(self, trouble: Trouble, request: web.Request, handler: Handler) -> web.StreamResponse:
        if trouble is Trouble.LOST:
            await handler(request)
        if trouble in (Trouble.LOST, Trouble.DROPPED):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if trouble is Trouble.SLOW:
            await self.patience.wait()
            return await handler(request)
        if trouble is Trouble.HTML:
            return web.Response(text="<html><body>502 Bad Gateway</body></html>", content_type="text/html")
        if trouble is Trouble.TRUNCATED:
            return web.Response(text='{"id": "ftjob-1", "sta', content_type="application/json")
        if trouble is Trouble.ODD:
            return web.json_response({"hello": "world"})
        response = self.refusal(int(trouble.value), trouble.value, f"trouble {trouble.value}")
        if self.retry_after is not None:
            response.headers["Retry-After"] = self.retry_after
        return response

    def _note(self, request: web.Request, sent: Any, response: web.StreamResponse) -> web.StreamResponse:
        answered: Any = None
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            try:
                answered = json.loads(response.body)
            except ValueError:
                answered = f"{response.content_type}, {len(response.body)} bytes"
        self.exchanges.append(Exchange(request.method, request.path_qs, sent, response.status, answered))
        return response


async def _sent(request: web.Request) -> Any:
    if request.content_type == "application/json" and request.can_read_body:
        return await request.json()
    if request.content_type == "multipart/form-data":
        form = await request.post()
        return {
            name: f"file {value.filename}" if isinstance(value, web.FileField) else value
            for name, value in form.items()
        }
    return None


async def spoken(request: web.Request, words: list[str]) -> web.StreamResponse:
    """An answer word by word, as all of them stream it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    # A first delta without content, and a last event without choices, as vendors send them.
    events: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}]
    events += [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in words]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": len(words)}})
    for event in events:
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


Kind = TypeVar("Kind", bound=StandIn)


@asynccontextmanager
async def served(stand_in: Kind, prefix: str = "") -> AsyncIterator[Kind]:
    """Serve it on a free port."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await stand_in.handle(request, handler)

    app = web.Application(middlewares=[middleware], client_max_size=50_000_000)
    app.add_routes(stand_in.routes())
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand_in.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
    try:
        yield stand_in
    finally:
        stand_in.patience.set()
        await runner.cleanup()
