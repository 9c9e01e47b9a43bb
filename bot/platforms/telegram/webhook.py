"""Updates by webhook. Not the library's server: that one acknowledges an update before anything is stored."""

import asyncio
import errno
import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import web
from telegram import Bot, Update

from bot.chat.errors import UserError
from bot.platforms.telegram.handing import Hands
from bot.platforms.telegram.posted import Posted
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.transport import readable
from bot.platforms.telegram.updates import ALLOWED_UPDATES

log = safe_logger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
# An update is some kilobytes; the longest text with all its entities does not come near this.
MOST_BODY_BYTES = 1 << 20
MOST_CONNECTIONS = 40
BODY_SECONDS = 20.0
# Posts whose updates are being stored get this long when we stop; Telegram repeats what was cut off.
SHUTDOWN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Where Telegram posts to (``url``), where we listen (``host`` and ``port``), and what proves a post is Telegram's.

    Whatever stands between the two may choose the path: only the secret counts.
    """

    url: str
    host: str
    port: int
    secret: str


def secret_of(token: str) -> str:
    """A secret that all processes with this token agree on, and that does not give the token away."""
    return hmac.new(token.encode(), b"tuneteller: secret of the webhook", hashlib.sha256).hexdigest()


class Webhook:
    """A way for updates to come in: a server that Telegram posts to.

    It stays set when we stop: updates wait at Telegram, and other processes may be serving the same address.
    """

    def __init__(self, bot: Bot, address: WebhookAddress) -> None:
        self._bot = bot
        self._address = address
        self._secret = address.secret.encode()
        self._posted: Posted | None = None
        self._runner: web.AppRunner | None = None
        self._warned = False
        self.port = address.port

    async def open(self) -> None:
        """Listen. Raises ``UserError`` (``telegram_webhook_port``)."""
        app = web.Application(client_max_size=MOST_BODY_BYTES)
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address.host, self._address.port)
        try:
            await site.start()
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
            listen = f"{self._address.host}:{self._address.port}"
            raise UserError("telegram_webhook_port", listen=listen, reason=reason) from error
        self.port = site.port

    async def arrange(self) -> None:
        """Tell Telegram where to post. Raises ``TelegramError``."""
        await self._bot.set_webhook(
            self._address.url,
            max_connections=MOST_CONNECTIONS,
            allowed_updates=ALLOWED_UPDATES,
            drop_pending_updates=False,
            secret_token=self._address.secret,
        )

    async def run(self, hands: Hands) -> None:
        """Take in what is posted, until cancelled."""
        self._posted = Posted(hands)
        await asyncio.Event().wait()

    def halt(self) -> None:
        """Take in nothing new."""
        if self._posted is not None:
            self._posted.halt()

    async def close(self) -> None:
        """Let what is being stored come to its end, then close the port."""
        if self._posted is not None:
            await self._posted.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._posted = self._runner = None

    async def _receive(self, request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._secret):
            if not self._warned:
                log.warning("something without the webhook's secret posts to us; it gets nothing but 403")
            self._warned = True
            return web.Response(status=403)
        update = await self._read(request)
        if update is None:
            return web.Response(status=400)
        # Before we know who we are and after we were told to stop: Telegram posts it again.
        if self._posted is None or not await self._posted.take(update):
            return web.Response(status=503)
        return web.Response()

    async def _read(self, request: web.Request) -> Update | None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.json()
        except (ValueError, TimeoutError):
            return None
        if not isinstance(body, dict) or not isinstance(body.get("update_id"), int):
            return None
        return Update.de_json(readable(body), self._bot)
