"""Where providers post signed news. A post says only that it is time to ask; whoever cannot sign it changes nothing."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.chat.errors import UserError

_LARGEST = 64 * 1024

# A provider's name, a body and its headers to whether that provider signed it.
Notified = Callable[[str, bytes, Mapping[str, str]], Awaitable[bool]]


class Hooks:
    """Listens for ``POST /hooks/<provider>`` between ``start`` and ``stop``."""

    def __init__(self, host: str, port: int, notified: Notified) -> None:
        self._host = host
        self._notified = notified
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self) -> None:
        """Listen. Raises ``UserError`` ``port_taken``."""
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_post("/hooks/{provider:[a-z0-9_-]+}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise UserError("port_taken", port=str(self.port)) from error
        self.port = site.port

    async def stop(self) -> None:
        """Stop listening. Without ``start`` nothing happens."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        signed = await self._notified(request.match_info["provider"], await request.read(), request.headers)
        return web.Response(status=204 if signed else 401)
