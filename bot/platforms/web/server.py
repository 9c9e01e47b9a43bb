"""The HTTP server: routes, the two pages, the probes, and the port."""

import logging

from aiohttp import web

from bot.platforms.web.assets import Assets
from bot.platforms.web.frames import LONGEST_TEXT
from bot.platforms.web.guard import TOKEN, VISITOR, AccessLog, Guard, csrf_token, language
from bot.platforms.web.ports import Probes, Reports
from bot.platforms.web.sessions import Sessions
from bot.platforms.web.sockets import Sockets
from bot.platforms.web.uploads import Downloads, Uploads

# Uploads under way get this long to end when we stop; the page sends them again later.
SHUTDOWN_SECONDS = 2.0
LARGEST_FORM = 16 * 1024


class Server:
    """Listens on ``host`` and ``port`` (0: any free one) between ``start`` and ``stop``."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        guard: Guard,
        assets: Assets,
        probes: Probes,
        sessions: Sessions,
        sockets: Sockets,
        uploads: Uploads,
        downloads: Downloads,
        max_upload_bytes: int,
        reports: Reports | None = None,
    ) -> None:
        self._reports = reports
        self.host = host
        self.port = port
        self._guard = guard
        self._assets = assets
        self._probes = probes
        self._sessions = sessions
        self._sockets = sockets
        self._uploads = uploads
        self._downloads = downloads
        self._max_upload_bytes = max_upload_bytes
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """The page's address on this machine."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0") else "::1" if self.host == "::" else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises ``OSError``."""
        self._runner = web.AppRunner(
            self._application(),
            access_log_class=AccessLog,
            access_log=logging.getLogger(f"{__package__}.access"),
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._guard.port = site.port

    async def stop(self) -> None:
        """Close all connections and the port. Without ``start`` nothing happens."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard.middleware], client_max_size=LARGEST_FORM)
        application.on_response_prepare.append(self._guard.sign)
        application.on_shutdown.append(self._close_sockets)
        application.router.add_get("/", self._page)
        application.router.add_get("/ws", self._sockets.serve)
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/session", self._session)
        application.router.add_get("/static/{build}/{name:.+}", self._assets.serve)
        application.router.add_get("/files/{digest}/{name}", self._downloads.send)
        application.router.add_get("/reports/v{version:[0-9]{1,9}}", self._report)
        application.router.add_post("/sign-in", self._sessions.sign_in)
        application.router.add_post("/sign-out", self._sessions.sign_out)
        application.router.add_post("/upload", self._uploads.receive)
        return application

    async def _close_sockets(self, _: web.Application) -> None:
        await self._sockets.close()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        visitor = request[VISITOR]
        if visitor is None:
            return self._assets.shell("sign-in", language(request), {})
        config = {
            "csrf": csrf_token(request[TOKEN]),
            "name": visitor.name,
            "language": visitor.language,
            # Keeps what two people on one browser have not sent yet apart.
            "account": visitor.account,
            "maxUploadBytes": self._max_upload_bytes,
            "longestText": LONGEST_TEXT,
        }
        return self._assets.shell("chat", visitor.language or language(request), config)

    async def _report(self, request: web.Request) -> web.StreamResponse:
        visitor = request[VISITOR]
        found = None
        if visitor is not None and self._reports is not None:
            version, assets = int(request.match_info["version"]), f"/static/{self._assets.build}"
            found = await self._reports.html(version, visitor, language(request), assets)
        if found is None:
            # A stranger cannot tell "not yours" from "not there".
            raise web.HTTPNotFound
        return web.Response(text=found, content_type="text/html")

    async def _session(self, request: web.Request) -> web.StreamResponse:
        # A strict cookie is withheld when somebody comes by a link from elsewhere; the sign-in page asks again.
        return web.json_response({"ok": request[VISITOR] is not None})

    async def _alive(self, _: web.Request) -> web.StreamResponse:
        alive = await self._probes.alive()
        return web.json_response({"ok": alive}, status=200 if alive else 503)

    async def _ready(self, _: web.Request) -> web.StreamResponse:
        checks = dict(await self._probes.ready())
        ready = all(checks.values())
        return web.json_response({"ok": ready, "checks": checks}, status=200 if ready else 503)
