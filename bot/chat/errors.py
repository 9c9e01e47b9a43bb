"""Every error between us, a platform and a person, drawn in one place."""

from collections.abc import Mapping


class UserError(Exception):
    """Something a person is told in their language: ``error.<key>`` in the locales, filled with ``fields``."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields: Mapping[str, object] = fields


class NotStored(Exception):
    """An event cannot be kept now (the database is away): its platform must not acknowledge it, and hand it over again.

    However often: this says nothing about the event.
    """


class PlatformError(Exception):
    """Base class of what a platform's ``send``, ``edit`` and ``fetch`` may raise."""


class Throttled(PlatformError):
    """Too fast: not done, ask again after ``retry_after`` seconds. Only this place is meant, nothing else."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"retry after {retry_after:g} s")
        self.retry_after = retry_after


class Unavailable(PlatformError):
    """The platform cannot be reached; surely not done, may be repeated."""


class Unconfirmed(PlatformError):
    """A time-out or a broken answer: it may have been done. An edit may be repeated, a send may not."""


class Refused(PlatformError):
    """A final no to this content; repeating the same cannot help."""


class Vanished(PlatformError):
    """The message (or the file) is not there any more."""


class Blocked(PlatformError):
    """The bot may not write in this place any more (blocked, thrown out, topic closed)."""


class Closed(Blocked):
    """Only this thread is closed to the bot; the chat around it is not."""
