"""Discord's errors in our words, in one place, most specific first. Codes: Discord's "JSON error codes"."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from bot.chat.errors import Blocked, Closed, PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION = 10003, 10008, 10015, 10062
# The message (of ours, or the file's) is not there any more.
_VANISHED = frozenset({UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, 50027})
# 50083: the thread is archived; 160005: it is locked.
_CLOSED = frozenset({50083, 160005})
# No such channel or server, no access, no direct messages to this person, permissions missing, wrong kind of channel.
_BLOCKED = frozenset({UNKNOWN_CHANNEL, 10004, 50001, 50007, 50008, 50013, 50024, 20016})
# The library waits by itself for less; what has to wait longer comes to us.
LONGEST_WAIT_SECONDS = 30.0
# What Cloudflare asks for when it says nothing better.
_BANNED_SECONDS = 60.0


def translated(error: Exception) -> PlatformError:
    """The error of ours that says what this one means for the caller."""
    match error:
        case discord.RateLimited():
            return Throttled(error.retry_after)
        case discord.HTTPException():
            return _http(error)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return Unavailable(type(error).__name__)
        case RuntimeError() if "closed" in str(error).lower():
            # We are stopping: the session was closed before the request began.
            return Unavailable("closed")
        case _:
            return Unconfirmed(type(error).__name__)


def _http(error: discord.HTTPException) -> PlatformError:
    told = f"{error.status}/{error.code}"
    if error.code in _VANISHED:
        return Vanished(told)
    if error.code in _CLOSED:
        return Closed(told)
    if error.code in _BLOCKED or error.status == 403:
        return Blocked(told)
    if error.status == 429:
        return Throttled(_seconds(error.response.headers.get("Retry-After")))
    if error.status == 401:
        # Not the message's fault: as soon as the operator repairs it, the same can be sent.
        return Unavailable(told)
    if error.status >= 500:
        return Unconfirmed(told)
    return Vanished(told) if error.status == 404 else Refused(told)


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header or _BANNED_SECONDS))
    except ValueError:
        return _BANNED_SECONDS


# What the library and the HTTP client below it let through.
TROUBLES = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, RuntimeError)


@contextmanager
def discord_errors() -> Iterator[None]:
    """Raises our errors for whatever the library raises inside."""
    try:
        yield
    except TROUBLES as error:
        raise translated(error) from error
