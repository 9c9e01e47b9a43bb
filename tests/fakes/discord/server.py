"""The stand-in's HTTP side: tokens, limits, troubles, and the routes that the bot uses."""

import asyncio
import json
import random
import time
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.handlers import Handlers
from tests.fakes.discord.state import Call
from tests.fakes.discord.troubles import Banned, DropAfter, DropBefore, Failure, Held, Slow, Throttle, Trouble
from tests.fakes.discord.world import World

API = "/api/v10"


class Limits:
    """So many calls of a kind in a window, per channel, told in headers; more than that is refused.

    ``everywhere``: calls in any second over all. ``storm``: the share of calls that is refused for no reason, to come
    again after 1 to 5 seconds.
    """

    def __init__(self, calls: int = 5, seconds: float = 5.0, everywhere: int = 50, storm: float = 0.0) -> None:
        self.storm = storm
        self.dice = random.Random(1)  # noqa: S311 - the same storm every time
        self.calls = calls
        self.seconds = seconds
        self.everywhere = everywhere
        self.refused = 0
        self._windows: dict[str, tuple[float, int]] = {}
        self._all: list[float] = []

    def judge(self, bucket: str) -> tuple[dict[str, str], float | None, bool]:
        """(headers, seconds to wait if refused, whether for everything)."""
        now = time.monotonic()
        self._all = [at for at in self._all if at > now - 1.0]
        if len(self._all) >= self.everywhere:
            self.refused += 1
            return {}, self._all[0] + 1.0 - now, True
        end, used = self._windows.get(bucket, (0.0, 0))
        if now >= end:
            end, used = now + self.seconds, 0
        refused = used >= self.calls
        self._windows[bucket] = (end, used + (not refused))
        self._all += [] if refused else [now]
        self.refused += refused
        headers = {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": str(max(0, self.calls - self._windows[bucket][1])),
            "X-RateLimit-Reset": f"{time.time() + end - now:.3f}",
            "X-RateLimit-Reset-After": f"{end - now:.3f}",
            "X-RateLimit-Bucket": bucket.split(" ", 2)[0] + bucket.split(" ", 2)[1],
        }
        return headers, end - now if refused else None, False


class DiscordStandIn(World):
    """Discord for one bot. ``limits`` switches rate limits on; ``latency`` is what every call takes on its way."""

    def __init__(
        self, limits: Limits | None = None, *, heartbeat_ms: int = 41_250, latency: float = 0.0, port: int = 0
    ) -> None:
        super().__init__(heartbeat_ms)
        self.limits = limits
        self.latency = latency
        self._handlers = Handlers(self)
        self._troubles: defaultdict[str, list[Trouble]] = defaultdict(list)
        self._runner: web.AppRunner | None = None
        self._port = port

    @property
    def api_base(self) -> str:
        """The address for the bot."""
        return f"{self.base}{API}"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen; after :meth:`shut` on the same port again, with everything that was known."""
        app = web.Application(client_max_size=200 << 20)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/cdn/{channel}/{file}/{name}", self._download)
        app.router.add_route("*", f"{API}/{{path:.*}}", self._call)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.base = f"http://127.0.0.1:{self._port}"
        self.gateway.url = f"ws://127.0.0.1:{self._port}/gateway"

    async def shut(self) -> None:
        """Be away."""
        for session in self.gateway.sessions:
            if session.connection is not None:
                await session.connection.socket.close(code=1001)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def next(self, route: str, *troubles: Trouble) -> None:
        """What happens to the next calls of a route (``POST messages``), one trouble a call."""
        self._troubles[route].extend(troubles)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        body, files = await _body(request)
        route, arguments = self._handlers.route(request.method, path)
        call = Call(request.method, path, route, body, time.monotonic())
        self.timeline.append(call)
        await asyncio.sleep(self.latency / 2)
        waiting = self._troubles.get(route, [])
        trouble = waiting.pop(0) if waiting else None
        try:
            response = await self._outcome(request, call, arguments, files, trouble)
        finally:
            call.answered = time.monotonic()
            await self.notify()
        call.status = response.status
        await asyncio.sleep(self.latency / 2)
        return response

    async def _outcome(
        self, request: web.Request, call: Call, arguments: list[str], files: dict[str, bytes], trouble: Trouble | None
    ) -> web.StreamResponse:
        headers: dict[str, str] = {"Via": "1.1 google"}
        match trouble:
            case Throttle(seconds, everywhere):
                return _throttled(headers, seconds, everywhere=everywhere)
            case Banned():
                return web.Response(status=429, text="<html>error code: 1015</html>", content_type="text/html")
            case Failure(status, code, message):
                return _json({"code": code, "message": message}, headers, status)
            case DropBefore():
                return _hang_up(request)
            case Held(release):
                await self.notify()
                await release.wait()
            case Slow(seconds):
                await asyncio.sleep(seconds)
        if self.limits is not None and call.route in ("POST messages", "PATCH message", "POST typing"):
            more, wait, everywhere = self.limits.judge(f"{call.route} {arguments[0]}")
            headers |= more
            if wait is not None:
                return _throttled(headers, wait, everywhere=everywhere)
            if self.limits.storm and self.limits.dice.random() < self.limits.storm:
                call.storm = float(self.limits.dice.randint(1, 5))
                return _throttled(headers, call.storm, everywhere=False)
        try:
            if request.headers.get("Authorization") != f"Bot {self.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            result = await self._handlers.handle(call.route, arguments, call.body, files, request.query)
        except ApiError as error:
            return _json(error.body, headers, error.status)
        if isinstance(trouble, DropAfter):
            return _hang_up(request)
        if result is None:
            return web.Response(status=204, headers=headers)
        return _json(result, headers)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["file"]
        data = self.files.get(number)
        if data is None or (number in self.expired and request.query.get("ex") == "1"):
            return web.Response(status=404, text="This content is no longer available.")
        waiting = self._troubles.get("GET cdn", [])
        if waiting and isinstance(waiting.pop(0), DropAfter):
            response = web.StreamResponse(headers={"Content-Length": str(len(data))})
            await response.prepare(request)
            await response.write(data[: len(data) // 2])
            return _hang_up(request)
        return web.Response(body=data)


async def _body(request: web.Request) -> tuple[Any, dict[str, bytes]]:
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        return (json.loads(raw) if raw else None), {}
    body: Any = None
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    async for part in await request.multipart():
        assert not isinstance(part, str)
        name = part.name or ""  # type: ignore[union-attr]
        data = await part.read()  # type: ignore[union-attr]
        if name == "payload_json":
            body = json.loads(data)
            names = {f"files[{each['id']}]": each["filename"] for each in body.get("attachments", [])}
        else:
            files[names[name]] = bytes(data)
    return body, files


def _json(body: Any, headers: dict[str, str], status: int = 200) -> web.Response:
    # Without a charset: this is how Discord says it, and how the library recognises it.
    told = {**headers, "Content-Type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=told)


def _throttled(headers: dict[str, str], seconds: float, *, everywhere: bool) -> web.Response:
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere}
    told = {**headers, "Retry-After": f"{seconds:.3f}", **({"X-RateLimit-Global": "true"} if everywhere else {})}
    return _json(body, told, 429)


def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
