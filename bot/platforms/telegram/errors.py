"""Telegram's errors in our words, in one place, most specific first."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.chat.errors import Blocked, Closed, PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished

# The library's documented way to have time spans as such, which will be the only one; otherwise it warns.
os.environ.setdefault("PTB_TIMEDELTA", "true")

# What the server calls a message or a file that is not there, in lower case.
_VANISHED = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message to be replied not found",
    "message to react not found",
    "wrong file_id",
    "wrong file id",
    "invalid file_id",
    "wrong remote file id",
    "file is temporarily unavailable",
)
# What it calls a topic where nobody may write, while the chat around it is open.
_CLOSED = ("thread not found", "topic_closed", "topic_deleted", "topic_id_invalid")
# What it calls a place where the bot may not write.
_BLOCKED = (
    "chat not found",
    "group chat was deactivated",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_write_forbidden",
    "chat_restricted",
    "peer_id_invalid",
    "user_is_blocked",
    "bot was kicked",
)
# The request never left: nothing can have been done.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)

_TOO_MANY = "too many requests"
_RETRY_AFTER = re.compile(r"retry after (\d+)", re.IGNORECASE)
# Seconds, where it is not said for how long.
_UNTOLD_WAIT = 5.0

TOO_LARGE = "request entity too large"
NOT_MODIFIED = "message is not modified"
# What the library lets through when an answer is JSON but not an answer.
BROKEN_ANSWERS = (KeyError, TypeError, AttributeError)


def seconds(value: float | timedelta) -> float:
    """A time span in seconds; the library changes from one type to the other."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def translated(error: Exception) -> PlatformError:
    """The error of ours that says what this one means for the caller."""
    match error:
        case RetryAfter():
            return Throttled(seconds(error.retry_after))
        case Forbidden() | BadRequest() if isinstance(error.__cause__, TelegramError):
            # No answer of Telegram's: somebody on the way let nothing through.
            return Unavailable(type(error).__name__)
        case ChatMigrated() | Forbidden():
            return Blocked(error.message)
        case BadRequest():
            return _bad_request(error)
        case InvalidToken() | Conflict():
            # Not the message's fault: as soon as the operator repairs it, the same can be sent.
            return Unavailable(type(error).__name__)
        case TimedOut() | NetworkError():
            return _network(error)
        case _:
            return Unconfirmed(type(error).__name__)


def _bad_request(error: BadRequest) -> PlatformError:
    text = error.message.lower()
    if any(part in text for part in _VANISHED):
        return Vanished(error.message)
    if any(part in text for part in _CLOSED):
        return Closed(error.message)
    if any(part in text for part in _BLOCKED):
        return Blocked(error.message)
    return Refused(error.message)


def _network(error: NetworkError) -> PlatformError:
    cause = error.__cause__
    if error.message.lower().startswith(_TOO_MANY):
        # The library reads the wait from the answer's parameters only.
        told = _RETRY_AFTER.search(error.message)
        return Throttled(float(told[1]) if told else _UNTOLD_WAIT)
    if isinstance(cause, _NOT_SENT) or _closed(cause):
        return Unavailable(type(cause).__name__)
    if TOO_LARGE in error.message.lower():
        return Refused(TOO_LARGE)
    # The library's own text may quote the server's page, so only the kind is told.
    return Unconfirmed(type(cause or error).__name__)


def _closed(cause: BaseException | None) -> bool:
    # We are stopping: the client was closed before the request began.
    text = str(cause)
    return isinstance(cause, RuntimeError) and ("not initialized" in text or "client has been closed" in text)


@contextmanager
def telegram_errors() -> Iterator[None]:
    """Raises our errors for whatever the library raises inside."""
    try:
        yield
    except (TelegramError, *BROKEN_ANSWERS) as error:
        raise translated(error) from error
