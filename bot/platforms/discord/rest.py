"""Calls to Discord, through the library's own client: it reads the rate limits' headers and waits by them."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import discord
from discord.http import MultipartParameters, Route, handle_message_parameters

from bot.chat.content import Attachment
from bot.platforms.discord.errors import discord_errors
from bot.platforms.discord.markdown import clean

Json = dict[str, Any]
MOST_HISTORY = 100
_MOST_ALT = 1024


class Rest:
    """``client`` gives the client of this moment. Raises what ``bot.chat.errors`` lists, and nothing else."""

    def __init__(self, client: Callable[[], discord.Client]) -> None:
        self._client = client
        self.application = ""

    async def send(self, channel: str, payload: Json, files: Sequence[Attachment] = ()) -> Json:
        """A new message."""
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel)
        return await self._object(route, payload, files)

    async def edit(self, channel: str, message: str, payload: Json) -> Json:
        """Replace what a message shows."""
        path = "/channels/{channel_id}/messages/{message_id}"
        return await self._object(Route("PATCH", path, channel_id=channel, message_id=message), payload)

    async def message(self, channel: str, message: str) -> Json:
        """A message."""
        path = "/channels/{channel_id}/messages/{message_id}"
        return await self._object(Route("GET", path, channel_id=channel, message_id=message))

    async def history(self, channel: str, after: int) -> list[Json]:
        """Up to a hundred messages after an id, oldest first."""
        route = Route("GET", "/channels/{channel_id}/messages", channel_id=channel)
        with discord_errors():
            found: list[Json] = await self._client().http.request(
                route, params={"limit": MOST_HISTORY, "after": str(after)}
            )
        return sorted(found, key=lambda raw: int(raw["id"]))

    async def typing(self, channel: str) -> None:
        """Show "typing" for ten seconds."""
        await self._request(Route("POST", "/channels/{channel_id}/typing", channel_id=channel))

    async def private(self, user: str) -> str:
        """The channel of direct messages with somebody."""
        found = await self._request(Route("POST", "/users/@me/channels"), {"recipient_id": user})
        return str(found["id"])

    async def member(self, guild: str, user: str) -> Json:
        """Somebody in a server."""
        path = "/guilds/{guild_id}/members/{user_id}"
        return await self._object(Route("GET", path, guild_id=guild, user_id=user))

    async def respond(self, interaction: str, token: str, payload: Json) -> str:
        """The first answer to an interaction, due within three seconds; the id of the message that it made, if any."""
        path = "/interactions/{webhook_id}/{webhook_token}/callback"
        route = Route("POST", path, webhook_id=interaction, webhook_token=token)
        with discord_errors():
            made = await self._client().http.request(route, json=payload, params={"with_response": "true"})
        message = ((made or {}).get("resource") or {}).get("message") or {} if isinstance(made, dict) else {}
        return str(message.get("id", ""))

    async def follow(self, token: str, payload: Json, files: Sequence[Attachment] = ()) -> str:
        """A further answer to an interaction, within fifteen minutes; its message's id."""
        path = "/webhooks/{webhook_id}/{webhook_token}"
        route = Route("POST", path, webhook_id=self.application, webhook_token=token)
        return str((await self._request(route, payload, files))["id"])

    async def edit_followed(self, token: str, message: str, payload: Json, files: Sequence[Attachment] = ()) -> str:
        """Replace what such an answer shows; ``@original`` is the first one."""
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
        parts = {"webhook_id": self.application, "webhook_token": token}
        # Literal: the library would escape the sign in it.
        route = Route("PATCH", path.replace("{message_id}", message), **parts)
        return str((await self._request(route, payload, files))["id"])

    async def delete_original(self, token: str) -> None:
        """Take the first answer to an interaction away."""
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
        await self._request(Route("DELETE", path, webhook_id=self.application, webhook_token=token))

    async def publish(self, commands: list[Json]) -> None:
        """These are our slash commands, in every server and in private."""
        path = "/applications/{application_id}/commands"
        with discord_errors():
            route = Route("PUT", path, application_id=self.application)
            await self._client().http.request(route, json=commands)

    async def _object(self, route: Route, payload: Json | None = None, files: Sequence[Attachment] = ()) -> Json:
        found: Json = await self._request(route, payload, files)
        return found

    async def _request(self, route: Route, payload: Json | None = None, files: Sequence[Attachment] = ()) -> Any:
        with discord_errors():
            http = self._client().http
            if not files:
                return await (http.request(route) if payload is None else http.request(route, json=payload))
            with _parts(payload or {}, files) as parts:
                return await http.request(route, files=parts.files, form=parts.multipart)


def _parts(payload: Json, files: Sequence[Attachment]) -> MultipartParameters:
    uploads = [
        discord.File(io.BytesIO(file.data), clean(file.name), description=clean(file.alt)[:_MOST_ALT] or None)
        for file in files
    ]
    whole = {**payload, "attachments": [upload.to_dict(index) for index, upload in enumerate(uploads)]}
    # The library's own way to write files into a request, with our content.
    made = handle_message_parameters(files=uploads)
    assert made.multipart is not None
    made.multipart[0]["value"] = json.dumps(whole)
    return made
