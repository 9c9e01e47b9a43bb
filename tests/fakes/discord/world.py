"""Everything that the stand-in knows, without HTTP."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.fakes.discord.errors import (
    NO_ACCESS,
    NO_PERMISSION,
    NO_PRIVATE,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    ApiError,
)
from tests.fakes.discord.gateway import GatewaySide, Session
from tests.fakes.discord.people import Person
from tests.fakes.discord.state import Call, Channel, Guild, Interaction, Json, Shown, snowflake

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAx.GaBcDe.stand-in_token_that_is_long_enough_0123456789"
BOT = "100000000000000001"
APPLICATION = "100000000000000009"
MOST_FILE = {0: 10 << 20, 1: 10 << 20, 2: 50 << 20, 3: 100 << 20}


class World:
    """Tests read it; ``wait_for`` tells them when it changed."""

    def __init__(self, heartbeat_ms: int = 41_250) -> None:
        self.token = TOKEN
        self.me: Json = {
            "id": BOT, "username": "tune_test_bot", "discriminator": "0000", "avatar": None, "bot": True,
            "global_name": None,
        }  # fmt: skip
        # Whether the developer portal's switch for reading everything is on.
        self.content_intent = False
        self.people: dict[str, Person] = {}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.shown: dict[str, Shown] = {}
        self.interactions: dict[str, Interaction] = {}
        self.commands: dict[str, Json] = {}
        self.nonces: dict[tuple[str, str], str] = {}
        self.files: dict[str, bytes] = {}
        self.expired: set[str] = set()
        self.no_private: set[str] = set()
        self.typing: list[str] = []
        self.timeline: list[Call] = []
        self.changed = asyncio.Condition()
        self.base = ""
        self.gateway = GatewaySide(TOKEN, self._ready, heartbeat_ms)
        self.gateway.changed = self.notify

    def person(self, number: int, name: str = "Ming", locale: str = "zh-CN") -> Person:
        """Somebody new, or the same again."""
        key = str(number)
        if key not in self.people:
            self.people[key] = Person(self, key, name, locale)
        return self.people[key]

    def guild(self, *people: Person, tier: int = 0) -> Guild:
        """A server with these people in it."""
        made = Guild(snowflake(), tier=tier, members={person.id: [] for person in people})
        self.guilds[made.id] = made
        return made

    def channel(self, guild: Guild, parent: Channel | None = None) -> Channel:
        """A text channel, or a thread in one."""
        made = Channel(snowflake(), guild.id, parent.id if parent else "")
        self.channels[made.id] = made
        return made

    def private(self, person: Person) -> Channel:
        """Direct messages with somebody."""
        found = next((each for each in self.channels.values() if each.recipient == person.id), None)
        if found is None:
            found = Channel(snowflake(), recipient=person.id)
            self.channels[found.id] = found
        return found

    def messages(self, channel: Channel | Person, viewer: Person | None = None, *, all: bool = False) -> list[Shown]:  # noqa: A002
        """What the bot shows in a channel, to this person; with ``all``, what people wrote too."""
        if not isinstance(channel, Channel):
            viewer, channel = channel, self.private(channel)
        return [
            each
            for each in sorted(self.shown.values(), key=lambda shown: int(shown.id))
            if each.channel == channel.id and not each.deleted and (all or each.by_bot)
            and (not each.to or (viewer is not None and each.to == viewer.id))
        ]  # fmt: skip

    def calls(self, route: str) -> list[Call]:
        """The calls of one route (``POST messages``) so far."""
        return [call for call in self.timeline if call.route == route]

    async def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait until something is true of this world."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(lambda: bool(predicate()))

    async def notify(self) -> None:
        """Something changed."""
        async with self.changed:
            self.changed.notify_all()

    def open_channel(self, channel_id: str, *, write: bool = True) -> Channel:
        """A channel that the bot may use."""
        channel = self.channels.get(channel_id)
        if channel is None or channel.deleted:
            raise ApiError(*UNKNOWN_CHANNEL)
        if channel.guild and not self.guilds[channel.guild].bot_inside:
            raise ApiError(*NO_ACCESS)
        if write and not channel.writable:
            raise ApiError(*NO_PERMISSION)
        if write and channel.recipient in self.no_private:
            raise ApiError(*NO_PRIVATE)
        if not write and not channel.readable:
            raise ApiError(*NO_ACCESS)
        return channel

    def open_message(self, channel_id: str, message_id: str) -> Shown:
        """A message that the bot may see in a channel."""
        self.open_channel(channel_id, write=False)
        found = self.shown.get(message_id)
        if found is None or found.channel != channel_id or found.deleted or found.to:
            raise ApiError(*UNKNOWN_MESSAGE)
        return found

    def file_limit(self, channel: Channel) -> int:
        """The most bytes of a file there."""
        return MOST_FILE[self.guilds[channel.guild].tier if channel.guild else 0]

    def add(self, shown: Shown) -> Shown:
        """Keep a message."""
        self.shown[shown.id] = shown
        return shown

    def raw(self, shown: Shown, *, content: bool = True) -> Json:
        """A message as the API writes it; without ``content`` what the intent hides is empty."""
        author = self.me if shown.by_bot else self.people[shown.author].user
        made: Json = {
            "id": shown.id, "channel_id": shown.channel, "author": author, "type": 19 if shown.reply_to else 0,
            "timestamp": "2026-11-25T09:00:00.000000+00:00", "edited_timestamp": None, "tts": False,
            "mention_everyone": False, "mentions": [], "mention_roles": [], "pinned": False, "flags": 0,
            "content": "", "embeds": [], "attachments": [], "components": [],
        }  # fmt: skip
        made |= {
            key: value
            for key, value in shown.body.items()
            if key not in ("nonce", "enforce_nonce", "allowed_mentions", "message_reference")
        }
        made["content"] = made["content"] or ""
        made["attachments"] = [self.attachment(shown, name, data) for name, data in shown.files.items()]
        if f"<@{BOT}>" in made["content"]:
            made["mentions"] = [self.me]
        if shown.reply_to is not None:
            original = self.shown.get(shown.reply_to)
            made["message_reference"] = {"message_id": shown.reply_to, "channel_id": shown.channel}
            made["referenced_message"] = self.raw(original) if original and not original.deleted else None
        if shown.edits and not shown.by_bot:
            made["edited_timestamp"] = f"2026-11-25T09:{shown.edits:02}:00.000000+00:00"
        if not content and not made["mentions"]:
            made |= {"content": "", "attachments": [], "embeds": [], "components": []}
        return made

    def attachment(self, shown: Shown, name: str, data: bytes) -> Json:
        """A file, with an address that is signed and ends."""
        number = next((key for key, each in self.files.items() if each is data), None) or snowflake()
        self.files[number] = data
        simple = "".join(
            letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name
        )
        sign = "1" if number not in self.expired else "2"
        made = {
            "id": number, "filename": simple, "size": len(data), "content_type": "application/octet-stream",
            "url": f"{self.base}/cdn/{shown.channel}/{number}/{simple}?ex={sign}", "proxy_url": f"{self.base}/cdn/x",
        }  # fmt: skip
        if simple != name:
            made["title"] = name.rsplit(".", 1)[0]
        return made

    async def announce(self, kind: str, shown: Shown) -> None:
        """Tell the bot of a message."""

        def body(session: Session) -> Json:
            guild = self.channels[shown.channel].guild
            raw = self.raw(shown, content=not guild or session.reads_all or shown.by_bot)
            if guild:
                raw["guild_id"] = guild
                if not shown.by_bot:
                    raw["member"] = self.member(guild, shown.author)
            return raw

        if not shown.to:
            await self.gateway.dispatch(kind, body)
        await self.notify()

    def member(self, guild: str, user: str) -> Json:
        """Somebody in a server."""
        roles = self.guilds[guild].members.get(user, [])
        return {"roles": roles, "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False, "flags": 0}

    async def interact(
        self, person: Person, kind: int, channel: Channel, data: Json, message: Shown | None = None
    ) -> Interaction:
        """A person does something with the bot."""
        made = Interaction(snowflake(), f"token-{snowflake()}", kind, channel.id, person.id, time.monotonic())
        self.interactions[made.token] = made
        body: Json = {
            "id": made.id, "token": made.token, "type": kind, "version": 1, "application_id": APPLICATION,
            "channel_id": channel.id, "channel": channel.body, "data": data, "locale": person.locale,
            "entitlements": [], "authorizing_integration_owners": {}, "context": 0 if channel.guild else 1,
            "app_permissions": "0", "attachment_size_limit": 10 << 20,
        }  # fmt: skip
        if channel.guild:
            member = {**self.member(channel.guild, person.id), "user": person.user, "permissions": "0"}
            body |= {"guild_id": channel.guild, "member": member}
        else:
            body["user"] = person.user
        if message is not None:
            body["message"] = self.raw(message)
        await self.gateway.dispatch("INTERACTION_CREATE", lambda session: body)
        await self.notify()
        return made

    async def deletes_channel(self, channel: Channel) -> None:
        """Somebody deletes a channel or a thread."""
        channel.deleted = True
        await self.gateway.dispatch(
            "THREAD_DELETE" if channel.parent else "CHANNEL_DELETE", lambda session: channel.body
        )
        await self.notify()

    async def throws_out(self, guild: Guild) -> None:
        """The bot is taken out of a server."""
        guild.bot_inside = False
        await self.gateway.dispatch("GUILD_DELETE", lambda session: {"id": guild.id})
        await self.notify()

    async def lets_in(self, guild: Guild) -> None:
        """The bot is in a server (again)."""
        guild.bot_inside = True
        await self.gateway.dispatch("GUILD_CREATE", lambda session: self.guild_body(guild))
        await self.notify()

    def guild_body(self, guild: Guild) -> Json:
        """A server as the gateway writes it."""
        channels = [each for each in self.channels.values() if each.guild == guild.id and not each.deleted]
        everyone = {"id": guild.id, "name": "@everyone"}
        roles = [everyone, *({"id": number, "name": name} for number, name in guild.roles.items())]
        return {
            "id": guild.id, "name": guild.name, "owner_id": "1", "premium_tier": guild.tier, "member_count": 2,
            "roles": [{"permissions": "0", "position": 0, "color": 0, "hoist": False, "managed": False,
                       "mentionable": False, "flags": 0, **role} for role in roles],
            "channels": [each.body for each in channels if not each.parent],
            "threads": [each.body for each in channels if each.parent],
            "members": [{**self.member(guild.id, BOT), "user": self.me}],
            "emojis": [], "stickers": [], "features": [], "presences": [], "voice_states": [], "stage_instances": [],
            "guild_scheduled_events": [], "soundboard_sounds": [], "verification_level": 0, "nsfw_level": 0,
            "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0, "afk_timeout": 60,
            "afk_channel_id": None, "system_channel_id": None, "system_channel_flags": 0, "preferred_locale": "zh-CN",
            "premium_subscription_count": 0, "vanity_url_code": None, "description": None, "banner": None,
            "icon": None, "splash": None, "discovery_splash": None, "rules_channel_id": None, "large": False,
            "public_updates_channel_id": None, "premium_progress_bar_enabled": False, "unavailable": False,
            "joined_at": "2026-01-01T00:00:00+00:00",
        }  # fmt: skip

    def _ready(self, session: Session) -> list[tuple[str, Json]]:
        inside = [guild for guild in self.guilds.values() if guild.bot_inside]
        ready: dict[str, Any] = {
            "v": 10, "user": self.me, "guilds": [{"id": guild.id, "unavailable": True} for guild in inside],
            "session_id": session.id, "resume_gateway_url": self.gateway.url, "private_channels": [],
            "application": {"id": APPLICATION, "flags": self.application_flags},
        }  # fmt: skip
        return [("READY", ready), *(("GUILD_CREATE", self.guild_body(guild)) for guild in inside)]

    @property
    def application_flags(self) -> int:
        """What the developer portal has switched on."""
        return 1 << 19 if self.content_intent else 0
