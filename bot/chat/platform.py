"""The seam to a chat platform: one small protocol, and the limits that a platform has."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bot.chat.content import Card, Content
from bot.chat.events import Deliver, Upload
from bot.chat.places import MessageRef, Place, PlaceKind


@dataclass(frozen=True, slots=True)
class Extent:
    """How much room a text takes once formatted: UTF-16 units, and stretches that are marked as something."""

    units: int
    marks: int


@dataclass(frozen=True, slots=True)
class Limits:
    """A platform's numbers. Lengths in UTF-16 units, intervals in seconds between calls to one place.

    ``calls_per_second`` is what may begin in any second, over all places. ``jitter`` is by how much of a second two
    calls may come closer on their way: an interval begins so much before the end of the call before.
    """

    text_units: int
    private_interval: float
    group_interval: float
    calls_per_second: float
    upload_bytes: int
    # Least seconds between two edits of a card that only shows progress; a change of state shows at once.
    private_progress: float = 15.0
    group_progress: float = 30.0
    # Formatted stretches that a page may have; what is beyond them the platform would not show.
    marks: int = 1_000_000
    jitter: float = 0.1
    # Seconds by which a wait that the platform tells is outlasted, unless it is crowded there: what has been made to
    # wait for seconds need not come on the stroke, and comes with some more words.
    wait_margin: float = 0.0
    # Seconds without a word after which a message says that one is awaited, and how many units of a text are worth the
    # first message. In a group that message would hold the first words up: typing is shown there, and for longer.
    private_placeholder: float = 0.9
    group_placeholder: float = 4.0
    first_units: int = 30
    # True when sending twice with the same key shows one message: a repeat is harmless there, for so many seconds after
    # the first attempt.
    repeatable_sends: bool = False
    repeat_seconds: float = float("inf")
    # So long a draft is seen, where there are any.
    draft_seconds: float = 30.0
    # True when each file of a card is a message of its own, which counts as any other.
    files_apart: bool = False

    def progress(self, place: Place) -> float:
        """Least seconds between two edits of a progress card at this place."""
        return self.private_progress if place.kind is PlaceKind.PRIVATE else self.group_progress

    def placeholder(self, place: Place) -> float:
        """Seconds without a word after which a message says that one is awaited."""
        return self.private_placeholder if place.kind is PlaceKind.PRIVATE else self.group_placeholder

    def messages(self, content: Content) -> int:
        """As how many messages something new counts."""
        return 1 + len(content.attachments) if self.files_apart and isinstance(content, Card) else 1

    def interval(self, place: Place) -> float:
        """Least seconds between two calls to this place."""
        return self.private_interval if place.kind is PlaceKind.PRIVATE else self.group_interval


@runtime_checkable
class Platform(Protocol):
    """A chat platform. ``send`` and ``edit`` make exactly one attempt and raise what ``errors.py`` lists.

    Pace, order and repetition are the callers' (``bot/answering``); a platform neither sleeps nor retries.
    """

    name: str
    limits: Limits

    async def start(self, deliver: Deliver) -> None:
        """Begin to hand over what comes in. Raises ``UserError`` if it cannot start at all."""
        ...

    async def quiet(self) -> None:
        """Hand over nothing more; what goes out still does. May be called without ``start``, and twice."""
        ...

    async def stop(self) -> None:
        """Hand over nothing more, close what is open. May be called without ``start``."""
        ...

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        """Show something new. ``key`` names this very message for platforms that recognise a repeat."""
        ...

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows. Showing the same again is a success."""
        ...

    def measure(self, text: str) -> Extent:
        """The room that a page of an answer with this Markdown source takes here."""
        ...

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes of an uploaded file, in pieces. Raises ``Vanished`` or ``Unavailable``."""
        ...

    async def typing(self, place: Place) -> None:
        """Show for some seconds that an answer is being made, where the platform can. Never raises."""
        ...


@runtime_checkable
class Drafting(Protocol):
    """A platform that can show a text before it is a message, for some seconds, in private places."""

    async def draft(self, place: Place, content: Content, *, key: str) -> None:
        """Show or replace the draft named ``key``; the next message at this place takes its place.

        Raises what ``send`` raises; ``Refused`` where drafts are not to be had, and then they are not tried again.
        """
        ...


@runtime_checkable
class Inviting(Protocol):
    """A platform on which an address brings whoever opens it to the bot, with a word for it."""

    def invitation(self, word: str) -> str | None:
        """The address. None as long as the platform was not reached."""
        ...


@runtime_checkable
class Discreet(Protocol):
    """A platform that can answer one person alone where others read along."""

    def is_alone(self, ref: MessageRef) -> bool:
        """Whether a personal answer to this message is seen by nobody but whoever wrote it."""
        ...


@runtime_checkable
class Signing(Protocol):
    """A platform on which a message can be given a small sign; giving it the same again changes nothing."""

    async def sign(self, ref: MessageRef, *, good: bool) -> None:
        """Show at a message that what it asked for went well, or did not. Raises what ``edit`` raises."""
        ...
