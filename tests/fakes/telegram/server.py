"""The stand-in's HTTP side: tokens, parameters, long polling, and the troubles that a test asks for."""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.telegram.flood import COUNTED, Flood, Verdict
from tests.fakes.telegram.handlers import Handlers
from tests.fakes.telegram.hooks import Hook
from tests.fakes.telegram.methods import METHODS
from tests.fakes.telegram.parameters import parameters_of
from tests.fakes.telegram.refusals import MOST_LOCAL, ApiError, bad, parsed
from tests.fakes.telegram.state import Call
from tests.fakes.telegram.troubles import (
    BrokenJson,
    DropAfter,
    DropBefore,
    Failure,
    Held,
    HtmlPage,
    Slow,
    Throttle,
    Trouble,
)
from tests.fakes.telegram.world import World

CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_CONFLICT = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete it first"


class TelegramStandIn(World):
    """A Bot API server for one bot.

    ``local`` makes it one with ``--local``: large files, webhooks over http; with ``local_folder`` files are read
    from there. ``flood`` switches flood control on; it may be set at any time. ``latency``: seconds that every call
    takes on its way, half of them before it is done.
    """

    def __init__(
        self,
        local_folder: Path | None = None,
        flood: Flood | None = None,
        port: int = 0,
        *,
        local: bool = False,
        latency: float = 0.0,
    ) -> None:
        super().__init__()
        self.flood = flood
        self.latency = latency
        self._local = local or local_folder is not None
        if self._local:
            self.most_document = self.most_download = MOST_LOCAL
        self._local_folder = local_folder
        self.hook = Hook(self, local=self._local)
        self._handlers = Handlers(self, self.hook)
        self._troubles: dict[str, list[Trouble]] = {}
        self._poll = 0
        self._runner: web.AppRunner | None = None
        self._port = port

    @property
    def api_base(self) -> str:
        """The address for the bot."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen; after :meth:`shut` on the same port again, with everything that was known."""
        app = web.Application(client_max_size=self.most_document + (10 << 20))
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.*}", self._download)
        app.add_routes(self.extra_routes())
        # A client that hangs up ends its long poll.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def shut(self) -> None:
        """Be away."""
        self.hook.end()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def extra_routes(self) -> list[web.RouteDef]:
        """What else is served; nothing unless somebody adds to it."""
        return []

    def next(self, method: str, *troubles: Trouble) -> None:
        """What happens to the next calls of a method, one trouble a call."""
        self._troubles.setdefault(method, []).extend(troubles)

    def has_trouble(self, method: str) -> bool:
        """Whether the next call of a method will meet one."""
        return bool(self._troubles.get(method))

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            return _answer(ApiError(401, "Unauthorized"))
        method = request.match_info["method"]
        parameters = await parameters_of(request)
        await self._way()
        call = Call(method, parameters)
        self.timeline.append(call)
        waiting = self._troubles.get(method, [])
        trouble = waiting.pop(0) if waiting else None
        try:
            refusal = None if trouble else self._judge(call)
            response = self._outcome(call, refusal) if refusal else await self._troubled(request, call, trouble)
        finally:
            call.answered = time.monotonic()
            if call.verdict is None:
                call.verdict = Verdict.OK if call.outcome == "ok" else Verdict.ERROR
            await self.notify()
        await self._way()
        return response

    async def _way(self) -> None:
        if self.latency:
            await asyncio.sleep(self.latency / 2)

    def _judge(self, call: Call) -> ApiError | None:
        if self.flood is None or call.method not in COUNTED or call.chat is None:
            return None
        verdict, seconds = self.flood.judge(call.chat)
        if verdict is Verdict.OK:
            return None
        call.verdict, call.retry_after = verdict, seconds
        return ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

    async def _troubled(self, request: web.Request, call: Call, trouble: Trouble | None) -> web.StreamResponse:
        match trouble:
            case Throttle(seconds):
                error = ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
                return self._outcome(call, error)
            case Failure(code, description):
                return self._outcome(call, ApiError(code, description))
            case HtmlPage(status):
                call.outcome = f"HTML page {status}"
                page = "<html><body><h1>Bad gateway</h1></body></html>"
                return web.Response(status=status, text=page, content_type="text/html")
            case DropBefore():
                call.outcome = "dropped before"
                return _hang_up(request)
            case Held(release):
                await self.notify()
                await release.wait()
            case Slow(seconds):
                await asyncio.sleep(seconds)
        try:
            result = await self._result(call.method, call.parameters)
        except ApiError as error:
            return self._outcome(call, error)
        call.outcome = "ok"
        shown = result.get("message_id") if isinstance(result, dict) else call.parameters.get("message_id")
        call.message = None if shown is None else int(shown)
        if isinstance(trouble, DropAfter):
            return _hang_up(request)
        if isinstance(trouble, BrokenJson):
            return web.Response(text=trouble.body, content_type="application/json")
        return web.json_response({"ok": True, "result": result})

    def _outcome(self, call: Call, error: ApiError) -> web.Response:
        call.outcome = error.description
        return _answer(error)

    async def _result(self, method: str, parameters: dict[str, Any]) -> Any:
        if method not in METHODS:
            raise ApiError(404, "Not Found: method not found")
        required, optional = METHODS[method]
        missing, unknown = required - set(parameters), set(parameters) - required - optional
        if unknown:
            raise bad(f"unknown parameter {sorted(unknown)[0]} of {method}")
        if missing:
            raise bad(f"parameter {sorted(missing)[0]} of {method} is missing")
        if method == "getUpdates":
            return await self._get_updates(parameters)
        result = self._handlers.table[method](parameters)
        if method == "getFile" and self._local_folder is not None:
            result["file_path"] = await asyncio.to_thread(self._put_down, result["file_path"], result["file_id"])
        return result

    async def _get_updates(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            raise ApiError(409, WEBHOOK_CONFLICT)
        limit = int(parameters.get("limit", 100))
        if not 1 <= limit <= 100:
            raise bad("limit must be between 1 and 100")
        if "allowed_updates" in parameters:
            self.updates.allowed = parsed(parameters["allowed_updates"], "allowed_updates")
        self._poll += 1
        mine = self._poll
        offset = int(parameters.get("offset", 0))
        found = self.updates.read(offset, limit)
        # Whoever polls already is told that somebody else does; and who waits for confirmations sees them now.
        await self.notify()
        if found:
            return found
        try:
            async with asyncio.timeout(float(parameters.get("timeout", 0))), self.changed:
                await self.changed.wait_for(lambda: self.updates.waiting or self._poll != mine)
        except TimeoutError:
            return []
        if self._poll != mine:
            raise ApiError(409, CONFLICT)
        return self.updates.read(offset, limit)

    def _put_down(self, path: str, file_id: str) -> str:
        assert self._local_folder is not None
        file = self._local_folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.files[file_id].data)
        return str(file)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.timeline.append(Call("download", {"path": path}))
        stored = next((file for file in self.files.values() if file.path == path), None)
        if request.match_info["token"] != self.token or stored is None or self._local_folder is not None:
            return _answer(ApiError(404, "Not Found"))
        waiting = self._troubles.get("download", [])
        match waiting.pop(0) if waiting else None:
            case DropBefore() | DropAfter():
                response = web.StreamResponse(headers={"Content-Length": str(len(stored.data))})
                await response.prepare(request)
                await response.write(stored.data[: len(stored.data) // 2])
                return _hang_up(request)
            case HtmlPage(status):
                return web.Response(status=status, text="<html></html>", content_type="text/html")
            case _:
                return web.Response(body=stored.data)


def _answer(error: ApiError) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        body["parameters"] = error.parameters
    return web.json_response(body, status=error.code)


def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
