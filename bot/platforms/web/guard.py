"""What every request must pass and every response carries: Host, Origin, CSRF token, policy headers."""

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from yarl import URL

from bot.locales import DEFAULT_LANGUAGE, language_of, translator
from bot.platforms.web.ports import Door, Visitor

log = logging.getLogger(__name__)

VISITOR: web.RequestKey["Visitor | None"] = web.RequestKey("visitor", Visitor)
TOKEN: web.RequestKey[str] = web.RequestKey("token", str)

# Asked for by machines that know no more than an address; they say nothing about anybody.
PROBES = frozenset({"/healthz", "/readyz"})
CSRF_HEADER = "X-Csrf-Token"
# There is no session yet to bind a token to. A header of our own alone makes a foreign page ask first, in vain.
SIGN_IN_TOKEN = "sign-in"  # noqa: S105
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'{socket}; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def csrf_token(session: str) -> str:
    """The token that a page of this session sends with what it posts. Needs no memory, so a restart is harmless."""
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def language(request: web.Request) -> str:
    """The reader's language: what the page shows, else their choice, else what the browser asks for."""
    visitor = request.get(VISITOR)
    asked = [request.headers.get("X-Language", request.query.get("language", ""))]
    asked += [visitor.language if visitor else ""]
    asked += [part.split(";")[0].strip() for part in request.headers.get("Accept-Language", "").split(",")]
    return next((found for tag in asked if (found := language_of(tag))), DEFAULT_LANGUAGE)


def refusal(request: web.Request, status: int, key: str, **fields: object) -> web.Response:
    """A no with its sentence in the reader's language."""
    return web.json_response({"error": translator(language(request))(key, **fields)}, status=status)


class Guard:
    """The middleware. ``port`` is told once it is known; ``public`` is the address before a proxy, if there is one."""

    def __init__(self, door: Door, host: str, public: str) -> None:
        self._door = door
        self._host = host.strip("[]").lower()
        self._public = URL(public).origin() if public else None
        self.port = 0

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return self._public is not None and self._public.scheme == "https"

    @property
    def cookie(self) -> str:
        """Cookies of one host know no ports: the name keeps two of us apart."""
        return "__Host-tuneteller" if self.secure else f"tuneteller_{self.port}"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what is not from our own page, find out who asks, and turn surprises into an error id."""
        try:
            return await self._checked(request, handler)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return refusal(request, error.status, "web.error.status", code=str(error.status))
        except Exception:
            error_id = uuid4().hex[:8]
            log.exception("Request failed, error id %s", error_id)
            return refusal(request, 500, "web.error.internal", id=error_id)

    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PROBES:
            return await handler(request)
        origin = self._origin(request)
        if origin is None:
            return refusal(request, 421, "web.error.host")
        safe = request.method in ("GET", "HEAD") and request.path != "/ws"
        if not safe and request.headers.get("Origin", "").lower() != origin:
            return refusal(request, 403, "web.error.origin")
        token = request.cookies.get(self.cookie, "")
        request[TOKEN] = token
        request[VISITOR] = await self._door.visitor(token) if token else None
        if request.method not in ("GET", "HEAD"):
            expected = SIGN_IN_TOKEN if request.path == "/sign-in" else csrf_token(token)
            if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), expected.encode()):
                return refusal(request, 403, "web.error.csrf")
        return await handler(request)

    def _origin(self, request: web.Request) -> str | None:
        """The only origin our page has under this ``Host``; ``None`` when the name is not ours (DNS rebinding)."""
        try:
            asked = URL(f"http://{request.headers.get('Host', '')}")
            port = asked.port
        except ValueError:
            return None
        if asked.host is None or asked != asked.origin():
            return None
        if self._public and request.headers["Host"].lower() in (
            self._public.host_port_subcomponent,
            f"{self._public.host_subcomponent}:{self._public.port}",
        ):
            return str(self._public)
        if port != self.port or not self._ours(asked.host.lower()):
            return None
        return str(asked.origin())

    def _ours(self, host: str) -> bool:
        if host in ("localhost", self._host):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        # An address cannot be rebound. Bound to one interface, only that one and loopback can be meant.
        return address.is_loopback or self._host in ("", "0.0.0.0", "::")  # noqa: S104

    async def sign(self, request: web.Request, response: web.StreamResponse) -> None:
        """The headers that all responses carry; a handler may have set a stricter policy."""
        socket = "" if self._origin(request) is None else f" {'wss' if self.secure else 'ws'}://{request.host}"
        response.headers.setdefault("Content-Security-Policy", _POLICY.format(socket=socket))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        response.headers.setdefault("Cache-Control", "no-store")


class AccessLog(AbstractAccessLogger):
    """One line a request: method, route, status, time. No address, query, name of a file or header is written."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        route = "-"
        if isinstance(request, web.Request) and request.match_info.route.resource:
            route = request.match_info.route.resource.canonical
        self.logger.info("%s %s %d %.3f s", request.method, route, response.status, time)
