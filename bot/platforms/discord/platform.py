"""Discord as a chat platform."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import discord

from bot.chat.content import Content, MenuEntry
from bot.chat.errors import PlatformError
from bot.chat.events import Deliver, Upload
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Extent, Limits
from bot.platforms.backoff import Pause
from bot.platforms.discord.commands import payload
from bot.platforms.discord.files import Downloads
from bot.platforms.discord.gateway import Connection, Turn, always
from bot.platforms.discord.intake import GRACE_SECONDS, Intake
from bot.platforms.discord.interactions import Interactions
from bot.platforms.discord.markdown import measure
from bot.platforms.discord.outgoing import Outgoing
from bot.platforms.discord.ports import ChannelStore, Completion
from bot.platforms.discord.redaction import hide, safe_logger
from bot.platforms.discord.rest import Json, Rest
from bot.platforms.discord.roles import Roles
from bot.platforms.discord.traffic import Traffic
from bot.platforms.discord.updates import NAME, Me, command_of

log = safe_logger(__name__)

# A message holds 2,000; our note needs room.
TEXT_UNITS = 1900
# Discord tells its limits in headers, which the library obeys; in practice a channel takes 5 messages and 5 edits in 5
# seconds, and all of Discord 50 calls a second. So much apart, no six fall into five seconds. The library holds the
# fifth call until its window is over, so that the interval begins with a call and not with its end; a moment later the
# window is surely over for Discord, too.
CHANNEL_SECONDS = 1.0
AFTER_SECONDS = 0.05
CALLS_PER_SECOND = 45.0
# "Within a few minutes", says Discord of how long it knows a nonce. Two are surely among a few.
NONCE_SECONDS = 120.0
FILE_BYTES = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


class DiscordPlatform:
    """Implements :class:`bot.chat.platform.Platform`, but for one thing: the library below repeats by itself what
    Discord answered 429 or 5xx, waiting as the headers say (30 seconds at most). A send has its nonce: one message.

    ``api_base`` is the address of another API server, with its version (``http://127.0.0.1:8090/api/v10``).
    ``most_upload`` is how many bytes a file of a person's may have; what Discord lets them send is often less.
    ``roles``: ids of servers' roles to roles of ours. ``pause`` waits between attempts; tests pass one that does not.
    ``turn`` tells whether this process is the one that reads.
    """

    name = NAME

    def __init__(
        self,
        token: str,
        *,
        api_base: str | None,
        menu: Sequence[MenuEntry],
        store: ChannelStore,
        completion: Completion,
        most_upload: int,
        roles: Mapping[str, str] | None = None,
        pause: Pause = asyncio.sleep,
        turn: Turn = always,
    ) -> None:
        hide(token)
        self.limits = Limits(
            text_units=TEXT_UNITS,
            private_interval=CHANNEL_SECONDS,
            group_interval=CHANNEL_SECONDS,
            jitter=CHANNEL_SECONDS - AFTER_SECONDS,
            calls_per_second=CALLS_PER_SECOND,
            upload_bytes=most_upload,
            repeatable_sends=True,
            repeat_seconds=NONCE_SECONDS,
        )
        self._menu = tuple(menu)
        self._store = store
        self._completion = completion
        self._connection = Connection(token, api_base, pause, turn)
        self._rest = Rest(lambda: self._connection.client)
        self._interactions = Interactions(self._rest, _now)
        self._outgoing = Outgoing(self._rest, self._interactions, store, self._file_limit)
        self._downloads = Downloads(self._rest.message, most_upload)
        self._intake = Intake(self._rest, store, pause)
        self._roles = Roles(roles or {}, self._rest, lambda: self._connection.client.guilds, _now)
        self._traffic: Traffic | None = None
        self._open = False

    async def start(self, deliver: Deliver) -> None:
        """Begin to take in events.

        Raises ``UserError`` (``discord_token_refused``). A Discord that cannot be reached is no reason to fail: it is
        tried again until it can.
        """
        self._traffic = Traffic(
            deliver,
            self._intake,
            self._interactions,
            self._store,
            self._roles,
            self._completion,
            self._menu,
            self._me,
            _now,
        )
        self._open = True
        try:
            known = await self._connection.open(self._take)
        except BaseException:
            await self.stop()
            raise
        self._connection.run(known=known, ready=self._publish)

    def _take(self, kind: str, raw: Json) -> None:
        if self._open and self._traffic is not None:
            self._traffic.take(kind, raw)

    def _me(self) -> Me:
        assert self._connection.me is not None
        return self._connection.me

    async def _publish(self) -> None:
        self._rest.application = self._me().application
        try:
            await self._rest.publish(payload(self._menu))
        except PlatformError as error:
            # Everything works without a menu, by plain text.
            log.warning("the slash commands could not be set (%s)", error)

    async def quiet(self) -> None:
        """Take in nothing more, let what is being stored come to its end."""
        self._open = False
        await self._connection.halt()
        await self._intake.close()
        if self._traffic is not None:
            await self._traffic.close(GRACE_SECONDS)

    async def stop(self) -> None:
        """The same, and close all connections."""
        await self.quiet()
        await self._connection.close()

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        """A new message, its files with it."""
        return await self._outgoing.send(place, content, key, reply_to)

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows; its files stay."""
        await self._outgoing.edit(ref, content)

    def is_alone(self, ref: MessageRef) -> bool:
        """An answer to a slash command is; one to what was written for all to see is not."""
        return command_of(ref) is not None

    def measure(self, text: str) -> Extent:
        """The room that a page takes in a message."""
        return measure(text)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes of a file, in pieces. Raises ``Vanished``, ``Unavailable``, ``Refused`` (too big)."""
        return self._downloads.read(upload)

    async def typing(self, place: Place) -> None:
        """Show "typing" for about ten seconds."""
        try:
            await self._rest.typing(place.chat)
        except PlatformError as error:
            log.debug("typing was not shown: %s", type(error).__name__)

    def _file_limit(self, place: Place) -> int:
        """How many bytes a file of ours may have there: more where the server was boosted."""
        try:
            channel = self._connection.client.get_channel(int(place.chat))
        except (RuntimeError, ValueError):
            return FILE_BYTES
        guild = getattr(channel, "guild", None)
        return guild.filesize_limit if isinstance(guild, discord.Guild) else FILE_BYTES


def _now() -> float:
    return asyncio.get_running_loop().time()
