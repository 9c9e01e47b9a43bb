"""What the web page needs and does not have itself: a door, a memory of messages, files, and probes.

The composition root hands in implementations; the page knows only these shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person.

    ``account`` is the stable id of their web account, ``role`` one of guest, user, trainer, lead, admin,
    ``language`` the choice they made (``zh``, ``en``) or empty, ``room`` the id of their private chat.
    """

    account: str
    name: str
    role: str
    language: str
    room: str


class Door(Protocol):
    """Who may come in. Only the door knows what a session token means."""

    async def redeem(self, code: str, name: str, language: str) -> str:
        """A new session's token for the owner code or an invite. Raises ``UserError`` (``code_unknown``, …)."""
        ...

    async def visitor(self, token: str) -> Visitor | None:
        """The person of a session; ``None`` when there is no such session or it has ended."""
        ...

    async def leave(self, token: str) -> None:
        """End a session. An unknown one is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a room as it stands now.

    ``author`` is ``person`` or ``bot``; ``body`` is JSON that this platform made; ``revision`` grows over all
    rooms with every append and revise; ``created`` is aware, in UTC.
    """

    id: int
    room: str
    author: str
    body: Mapping[str, object]
    revision: int
    created: datetime


class MessageLog(Protocol):
    """The messages of all rooms. What is returned is committed."""

    async def append(self, room: str, author: str, body: Mapping[str, object], key: str) -> Entry:
        """A new message. The same key again returns the first entry, unchanged."""
        ...

    async def revise(self, room: str, id: int, body: Mapping[str, object]) -> Entry:  # noqa: A002
        """Replace what a message shows. Raises ``KeyError`` if it is absent."""
        ...

    async def since(self, room: str, revision: int, limit: int) -> Sequence[Entry]:
        """At most ``limit`` entries changed after ``revision``, ascending by revision."""
        ...

    async def latest(self, room: str, before: int | None, limit: int) -> Sequence[Entry]:
        """The newest ``limit`` entries with an id below ``before``, ascending by id."""
        ...


class Files(Protocol):
    """Content-addressed files."""

    async def put(self, data: bytes) -> str:
        """Keep these bytes; returns their SHA-256 in hex."""
        ...

    def path(self, digest: str) -> Path:
        """Where the bytes of a digest are kept."""
        ...


class Reports(Protocol):
    """Verdicts on tuned models as pages."""

    async def html(self, version: int, visitor: Visitor, language: str, assets: str) -> str | None:
        """The page of a model; None where there is none or this visitor may not see it. ``assets``: a path."""
        ...


class Probes(Protocol):
    """How the whole product is, for ``/healthz`` and ``/readyz``."""

    async def alive(self) -> bool:
        """Whether the process does its work."""
        ...

    async def ready(self) -> Mapping[str, bool]:
        """Every check by name, and whether it passes."""
        ...
