"""The connection: who we are, events as they come, and a new beginning where the library gives up."""

import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.chat.errors import UserError
from bot.platforms.backoff import Backoff, Pause
from bot.platforms.discord.errors import LONGEST_WAIT_SECONDS, TROUBLES
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.updates import Me

log = safe_logger(__name__)

# We have no voice: nobody has to be told what is missing for it.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
# How long the start of everything else may wait for a Discord that does not answer.
START_SECONDS = 5.0
# Application flags: may this bot read what it is not named in? (In fewer or in more than a hundred servers.)
_CONTENT_FLAGS = (1 << 18) | (1 << 19)
_WANTED = frozenset(
    {
        "READY", "MESSAGE_CREATE", "MESSAGE_UPDATE", "INTERACTION_CREATE", "CHANNEL_DELETE", "THREAD_DELETE",
        "GUILD_CREATE", "GUILD_DELETE",
    }
)  # fmt: skip

# One process at a time reads events; the others ask so often whether it is theirs to.
TURN_SECONDS = 2.0

Take = Callable[[str, dict[str, Any]], None]
# Whether it is this process's turn to read.
Turn = Callable[[], Awaitable[bool]]


async def always() -> bool:
    """It is: there is no other process."""
    return True


def intents(*, content: bool) -> discord.Intents:
    """What the gateway is to tell us: no more than is used."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=content)


class Gateway(discord.Client):
    """The library's client, which hands every event over as it stands on the wire."""

    def __init__(self, take: Take, *, content: bool) -> None:
        super().__init__(
            intents=intents(content=content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_ratelimit_timeout=LONGEST_WAIT_SECONDS,
            # The documented way to see events as they are: history and gateway are read by the same code.
            enable_debug_events=True,
        )
        self._take = take

    async def on_socket_raw_receive(self, text: str) -> None:
        """One frame of the gateway, decompressed."""
        # Most frames are none of ours: a look at the name before the whole is read.
        frame = json.loads(text)
        if frame.get("op") == 0 and frame.get("t") in _WANTED:
            self._take(frame["t"], frame["d"])

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A mistake of ours in an event; the library would print what was in it."""
        log.error("an event (%s) was not understood", event_method, exc_info=sys.exc_info())


class Connection:
    """Comes in, stays in, comes in again. ``client`` is the client of this moment."""

    def __init__(self, token: str, api_base: str | None, pause: Pause, turn: Turn = always) -> None:
        self._token = token
        self._turn = turn
        self._base = api_base
        self._pause = pause
        self._take: Take = lambda kind, raw: None
        self._running: asyncio.Task[None] | None = None
        self._broken = False
        self.me: Me | None = None
        self.content = False
        self._client: Gateway | None = None

    @property
    def client(self) -> Gateway:
        """Raises ``RuntimeError`` before the start and after the end, as the library does for a closed one."""
        if self._client is None:
            raise RuntimeError("the connection is closed")
        return self._client

    async def open(self, take: Take) -> bool:
        """Come in. False: Discord cannot be reached for now. Raises ``UserError`` (``discord_token_refused``)."""
        self._take = take
        if self._base is not None:
            Route.BASE = self._base.rstrip("/")
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._introduce()
        except discord.LoginFailure:
            await self._drop()
            problem = UserError("discord_token_refused")
        except TROUBLES as error:
            self._trouble(error)
            return False
        else:
            return True
        # Outside of the handler: the library's error must not hang on to ours.
        raise problem

    async def _introduce(self) -> None:
        await self._drop()
        client = self._client = Gateway(self._take, content=False)
        await client.login(self._token)
        assert client.user is not None
        assert client.application is not None
        self.content = bool(client.application.flags.value & _CONTENT_FLAGS)
        self.me = Me(str(client.user.id), str(client.application.id))
        if self.content:
            await client.close()
            client = self._client = Gateway(self._take, content=True)
            await client.login(self._token)
        if self._base is not None:
            found = await client.http.request(Route("GET", "/gateway"))
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(found["url"])

    def run(self, *, known: bool, ready: Callable[[], Any]) -> None:
        """Read events until :meth:`halt`."""
        self._running = asyncio.get_running_loop().create_task(self._run(known, ready))

    async def _connect(self) -> None:
        """Read for as long as it is our turn. The library resumes by itself; it ends where that cannot help."""
        connecting = asyncio.ensure_future(self.client.connect())
        try:
            while not connecting.done() and await self._turn():
                await asyncio.wait([connecting], timeout=TURN_SECONDS)
            if connecting.done():
                await connecting
            else:
                log.info("another process reads from Discord")
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def _run(self, known: bool, ready: Callable[[], Any]) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while True:
            try:
                if not await self._turn():
                    await self._pause(TURN_SECONDS)
                    continue
                if not known:
                    await self._introduce()
                known = False
                await ready()
                self._works()
                await self._connect()
                backoff.reset()
            except TROUBLES as error:
                self._trouble(error)
            except Exception:
                # Neither a mistake of ours nor a database that is away may end the reading for good.
                log.exception("error %s: reading from Discord broke; it begins anew", secrets.token_hex(4))
            await self._pause(backoff.next())

    def _trouble(self, error: BaseException) -> None:
        if not self._broken:
            # Once: it may last for hours.
            log.warning("Discord cannot be reached (%s); it is tried again until it can", type(error).__name__)
        self._broken = True

    def _works(self) -> None:
        if self._broken:
            log.info("Discord can be reached again")
        self._broken = False

    async def halt(self) -> None:
        """Read nothing more; what goes out still does."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        ws: DiscordWebSocket | None = getattr(self._client, "ws", None)
        if ws is not None and ws.open:
            await ws.close(code=1000)

    async def close(self) -> None:
        """The same, and close all connections."""
        await self.halt()
        await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
