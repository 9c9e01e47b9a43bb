"""Whether Discord knows a token, and what the bot may read, for people who set one up."""

from dataclasses import dataclass

import discord

from bot.chat.errors import UserError
from bot.platforms.discord.gateway import Connection
from bot.platforms.discord.redaction import hide


@dataclass(frozen=True, slots=True)
class Found:
    """The bot's name, the application's id, and whether it may read messages that do not name it."""

    name: str
    application: str
    content: bool


async def look(token: str, api_base: str | None) -> Found | None:
    """None if the token is refused or Discord cannot be reached."""
    hide(token)

    async def no_pause(seconds: float) -> None:
        return None

    connection = Connection(token, api_base, no_pause)
    try:
        known = await connection.open(lambda kind, raw: None)
        user: discord.ClientUser | None = connection.client.user if known else None
    except UserError:
        return None
    else:
        if user is None or connection.me is None:
            return None
        return Found(user.name, connection.me.application, connection.content)
    finally:
        await connection.close()


# View channels, send messages (in threads too), embed links, attach files, read the history.
_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)


def invitation(application: str) -> str:
    """The address with which whoever manages a server lets the bot in, with no more rights than it uses."""
    return discord.utils.oauth_url(int(application), permissions=_PERMISSIONS, scopes=("bot", "applications.commands"))
