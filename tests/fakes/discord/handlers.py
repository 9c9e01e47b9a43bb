"""The routes of the stand-in's REST API."""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import rules
from tests.fakes.discord.errors import (
    ACKNOWLEDGED,
    NOT_OURS,
    TOO_LARGE,
    UNKNOWN_INTERACTION,
    UNKNOWN_MEMBER,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    ApiError,
    invalid,
)
from tests.fakes.discord.rules import EPHEMERAL, LOADING
from tests.fakes.discord.state import Channel, Interaction, Json, Shown, snowflake

if TYPE_CHECKING:
    from tests.fakes.discord.world import World

PATIENCE_SECONDS, LIFE_SECONDS = 3.0, 15 * 60.0
_ID = r"(\d+)"
_ROUTES = {
    "GET me": r"users/@me",
    "GET application": r"(?:oauth2/)?applications/@me",
    "GET gateway": r"gateway",
    "PUT commands": rf"applications/{_ID}/commands",
    "GET commands": rf"applications/{_ID}/commands",
    "POST private": r"users/@me/channels",
    "GET member": rf"guilds/{_ID}/members/{_ID}",
    "POST messages": rf"channels/{_ID}/messages",
    "GET messages": rf"channels/{_ID}/messages",
    "GET message": rf"channels/{_ID}/messages/{_ID}",
    "PATCH message": rf"channels/{_ID}/messages/{_ID}",
    "DELETE message": rf"channels/{_ID}/messages/{_ID}",
    "POST typing": rf"channels/{_ID}/typing",
    "PUT reaction": rf"channels/{_ID}/messages/{_ID}/reactions/([^/]+)/@me",
    "POST callback": rf"interactions/{_ID}/([^/]+)/callback",
    "POST followup": rf"webhooks/{_ID}/([^/]+)",
    "PATCH followup": rf"webhooks/{_ID}/([^/]+)/messages/(@original|\d+)",
    "DELETE followup": rf"webhooks/{_ID}/([^/]+)/messages/(@original|\d+)",
}


class Handlers:
    """Does what is asked for, or raises ``ApiError``."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def route(self, method: str, path: str) -> tuple[str, list[str]]:
        """(the route's name, what stands in the path)."""
        for name, pattern in _ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match is not None and name.startswith(f"{method} "):
                return name, list(match.groups())
        return f"{method} unknown", []

    async def handle(
        self, route: str, at: list[str], body: Any, files: Mapping[str, bytes], query: Mapping[str, str]
    ) -> Any:
        """The answer; None for 204."""
        world = self._world
        match route:
            case "GET me":
                return world.me
            case "GET application":
                return self._application()
            case "GET gateway":
                return {"url": world.gateway.url}
            case "PUT commands":
                rules.check_commands(body)
                world.commands = {each["name"]: {**each, "id": snowflake()} for each in body}
                return list(world.commands.values())
            case "GET commands":
                return list(world.commands.values())
            case "POST private":
                return world.private(world.people[str(body["recipient_id"])]).body
            case "GET member":
                return self._member(*at)
            case "POST messages":
                return await self._create(at[0], body, dict(files))
            case "GET messages":
                return self._history(at[0], query)
            case "GET message":
                return world.raw(world.open_message(*at))
            case "PATCH message":
                return await self._edit(world.open_message(*at), body)
            case "DELETE message":
                world.open_message(*at).deleted = True
                return None
            case "POST typing":
                world.open_channel(at[0])
                world.typing.append(at[0])
                return None
            case "PUT reaction":
                world.open_message(at[0], at[1])
                return None
            case "POST callback":
                return await self._callback(at[0], at[1], body, query)
            case "POST followup":
                return await self._followup(at[1], body, dict(files))
            case "PATCH followup":
                return await self._edit_followup(at[1], at[2], body, dict(files))
            case "DELETE followup":
                self._of(self._living(at[1]), at[2]).deleted = True
                return None
        raise ApiError(404, 0, "404: Not Found")

    def _application(self) -> Json:
        return {
            "id": "100000000000000009", "name": "Tune", "icon": None, "description": "", "bot_public": True,
            "bot_require_code_grant": False, "verify_key": "", "flags": self._world.application_flags, "team": None,
            "owner": {"id": "1", "username": "owner", "discriminator": "0", "avatar": None}, "rpc_origins": [],
            "summary": "", "redirect_uris": [], "interactions_endpoint_url": None,
        }  # fmt: skip

    def _member(self, guild: str, user: str) -> Json:
        found = self._world.guilds.get(guild)
        if found is None or not found.bot_inside or user not in found.members:
            raise ApiError(*UNKNOWN_MEMBER)
        return {**self._world.member(guild, user), "user": self._world.people[user].user}

    async def _create(self, channel_id: str, body: Json, files: dict[str, bytes]) -> Json:
        channel = self._world.open_channel(channel_id)
        rules.check_create(body, len(files))
        self._check_files(channel, files)
        reply_to = self._reference(channel_id, body.get("message_reference"))
        known = self._world.nonces.get((channel_id, str(body.get("nonce")))) if body.get("enforce_nonce") else None
        if known is not None:
            return self._world.raw(self._world.shown[known])
        shown = Shown(snowflake(), channel_id, self._world.me["id"], by_bot=True, body=dict(body), files=files)
        shown.reply_to = reply_to
        self._world.add(shown)
        if body.get("nonce"):
            self._world.nonces[channel_id, str(body["nonce"])] = shown.id
        await self._world.announce("MESSAGE_CREATE", shown)
        return self._world.raw(shown)

    def _reference(self, channel_id: str, reference: Json | None) -> str | None:
        if reference is None:
            return None
        found = self._world.shown.get(str(reference.get("message_id")))
        if found is not None and found.channel == channel_id and not found.deleted and not found.to:
            return found.id
        if reference.get("fail_if_not_exists", True):
            raise invalid("message_reference", "Unknown message")
        return None

    def _check_files(self, channel: Channel, files: Mapping[str, bytes]) -> None:
        if len(files) > 10:
            raise invalid("files", "Must be 10 or fewer in length.")
        if any(len(data) > self._world.file_limit(channel) for data in files.values()):
            raise ApiError(*TOO_LARGE)

    async def _edit(self, shown: Shown, body: Json) -> Json:
        if not shown.by_bot:
            raise ApiError(*NOT_OURS)
        self._world.open_channel(shown.channel)
        rules.check_edit(body)
        shown.body.update(body)
        shown.edits += 1
        await self._world.announce("MESSAGE_UPDATE", shown)
        return self._world.raw(shown)

    def _history(self, channel_id: str, query: Mapping[str, str]) -> list[Json]:
        channel = self._world.open_channel(channel_id, write=False)
        after, limit = int(query.get("after", 0)), int(query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise invalid("limit", "int value should be less than or equal to 100.")
        found = [each for each in self._world.messages(channel, all=True) if int(each.id) > after and not each.to]
        session = self._world.gateway.session
        whole = not channel.guild or (session is not None and session.reads_all)
        # The oldest after that id; the newest of them first.
        return [self._world.raw(each, content=whole or each.by_bot) for each in reversed(found[:limit])]

    async def _callback(self, number: str, token: str, body: Json, query: Mapping[str, str]) -> Json | None:
        made = self._world.interactions.get(token)
        if made is None or made.id != number:
            raise ApiError(*UNKNOWN_INTERACTION)
        if made.answer is not None:
            raise ApiError(*ACKNOWLEDGED)
        if made.expired or time.monotonic() - made.began > PATIENCE_SECONDS:
            raise ApiError(*UNKNOWN_INTERACTION)
        kind, data = body["type"], body.get("data") or {}
        allowed = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6, 7)}[made.kind]
        if kind not in allowed:
            raise invalid("type", f"Value must be one of {allowed}")
        shown: Shown | None = None
        if kind == 4:
            rules.check_follow(data, 0)
            shown = self._say(made, data, {})
        elif kind == 5:
            if set(data) - {"flags"} or data.get("flags", 0) & ~EPHEMERAL:
                raise invalid("data", "only flags")
            shown = self._say(made, {"content": "", "flags": data.get("flags", 0) | LOADING}, {})
        elif kind == 8:
            rules.check_choices(data)
        elif kind == 9:
            rules.check_modal(data)
        made.answer = body
        if shown is not None:
            made.original = shown.id
        elif kind == 6 and made.messages:
            made.original = made.messages[0]
        await self._world.notify()
        if query.get("with_response") != "true":
            return None
        answered: Json = {"interaction": {"id": made.id, "type": made.kind}}
        if shown is not None:
            answered["resource"] = {"type": kind, "message": self._world.raw(shown)}
        return answered

    def _say(self, made: Interaction, body: Json, files: dict[str, bytes]) -> Shown:
        hidden = bool(body.get("flags", 0) & EPHEMERAL)
        shown = Shown(snowflake(), made.channel, self._world.me["id"], by_bot=True, body=dict(body), files=files)
        shown.to = made.user if hidden else ""
        made.messages.append(self._world.add(shown).id)
        return shown

    def _living(self, token: str) -> Interaction:
        made = self._world.interactions.get(token)
        if made is None or made.expired or time.monotonic() - made.began > LIFE_SECONDS:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if made.answer is None:
            raise ApiError(*UNKNOWN_WEBHOOK)
        return made

    async def _followup(self, token: str, body: Json, files: dict[str, bytes]) -> Json:
        made = self._living(token)
        rules.check_follow(body, len(files))
        self._check_files(self._world.channels[made.channel], files)
        original = self._world.shown.get(made.original or "")
        if original is not None and original.body.get("flags", 0) & LOADING:
            return await self._fill(original, body, files)
        shown = self._say(made, body, files)
        await self._world.announce("MESSAGE_CREATE", shown)
        return self._world.raw(shown)

    async def _fill(self, original: Shown, body: Json, files: dict[str, bytes]) -> Json:
        flags = original.body.get("flags", 0) & ~LOADING
        original.body.update(body)
        original.body["flags"] = flags
        original.files.update(files)
        original.edits += 1
        await self._world.notify()
        return self._world.raw(original)

    def _of(self, made: Interaction, message: str) -> Shown:
        number = made.original if message == "@original" else message
        found = self._world.shown.get(number or "")
        if found is None or found.deleted or found.id not in made.messages:
            raise ApiError(*UNKNOWN_MESSAGE)
        return found

    async def _edit_followup(self, token: str, message: str, body: Json, files: dict[str, bytes]) -> Json:
        made = self._living(token)
        shown = self._of(made, message)
        rules.check_edit(body)
        return await self._fill(shown, body, files)
