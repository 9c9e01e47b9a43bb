"""Who writes, and where."""

from dataclasses import dataclass
from enum import StrEnum


class PlaceKind(StrEnum):
    """A private place has one person and the bot in it; everything else is a group."""

    PRIVATE = "private"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation happens. Ids are the platform's own, as text; ``thread`` is a topic or thread."""

    platform: str
    chat: str
    thread: str = ""
    kind: PlaceKind = PlaceKind.PRIVATE


@dataclass(frozen=True, slots=True)
class Account:
    """A person as a platform knows them. ``id`` never changes; ``language`` is what their client says, if it does.

    ``role`` is what the operator's own rules give them on this platform (a server's role there), if they do.
    """

    platform: str
    id: str
    name: str = ""
    language: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class MessageRef:
    """One message on a platform."""

    place: Place
    id: str
