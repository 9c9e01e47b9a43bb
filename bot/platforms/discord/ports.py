"""What the platform is handed: a memory of channels and anchors, and what completes a word that is being typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.chat.places import Account


@dataclass(frozen=True, slots=True)
class Known:
    """A channel in which somebody spoke to us. ``guild`` is empty in direct messages; ``seen`` is the newest id there
    that was taken in; ``open`` is whether we may still write.
    """

    channel: str
    guild: str
    seen: int
    open: bool


class ChannelStore(Protocol):
    """What has to outlive the process."""

    async def known(self) -> Sequence[Known]:
        """The channels, those that were spoken in last first."""
        ...

    async def saw(self, channel: str, guild: str, seen: int) -> None:
        """Everything up to this id is stored. Never goes back."""
        ...

    async def opened(self, channel: str, open: bool) -> None:  # noqa: A002 - the field's name
        """Whether we may write there."""
        ...

    async def anchor(self, interaction: str) -> str | None:
        """The message that shows this command to the channel."""
        ...

    async def anchored(self, interaction: str, message: str) -> None:
        """Keep it."""
        ...


class Completion(Protocol):
    """What fits a word that is being typed."""

    async def complete(self, account: Account, kind: str, typed: str) -> Sequence[tuple[str, str]]:
        """(what is shown, what is meant), best first; nothing that this person may not see."""
        ...
