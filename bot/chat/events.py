"""What comes in from a platform. Every event is plain data and survives a round trip through JSON."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.chat.places import Account, MessageRef, Place


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a person sent. ``handle`` means something to its platform only; ``size`` in bytes, if told."""

    handle: str
    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A person wrote something, sent a file, or both.

    ``id`` is unique on its platform and the same when the platform repeats itself. ``addressed`` is true in
    private places, and in groups where the bot is mentioned or replied to.
    """

    id: str
    place: Place
    author: Account
    ref: MessageRef
    text: str = ""
    uploads: tuple[Upload, ...] = ()
    addressed: bool = True


@dataclass(frozen=True, slots=True)
class Press:
    """A person pressed a button. ``token`` is what the button was sent with; ``ref`` is the message it is on."""

    id: str
    place: Place
    author: Account
    ref: MessageRef
    token: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A person changed what they had written; ``text`` is what it says now."""

    id: str
    place: Place
    author: Account
    ref: MessageRef
    text: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The platform gave a chat another id (a group that became a supergroup); all that was there goes on there."""

    id: str
    place: Place
    chat: str


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether the bot may write in a chat has changed: blocked or thrown out, or let in again."""

    id: str
    place: Place
    writable: bool


Event = Message | Press | Edit | Moved | Presence


@dataclass(frozen=True, slots=True)
class Ack:
    """The short answer to a press, shown at the button for a moment (or as an alert to be closed)."""

    text: str = ""
    alert: bool = False


class Deliver(Protocol):
    """Takes in an event: returns once it is stored, for a press once it is handled. ``stored`` is called as soon as it
    cannot be lost any more. Raises :class:`bot.chat.errors.NotStored`.
    """

    def __call__(self, event: Event, stored: Callable[[], None] = ...) -> Awaitable[Ack | None]:
        """What whoever pressed is told."""
        ...
