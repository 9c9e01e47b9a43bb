"""What the Telegram platform needs and does not have itself, and how updates may come to it."""

from typing import Protocol

from bot.platforms.telegram.handing import Hands


class OffsetStore(Protocol):
    """Keeps one number: the id of the first update that was not taken in yet."""

    async def load(self) -> int | None:
        """The number that was saved last, ``None`` at the very first start."""
        ...

    async def save(self, offset: int) -> None:
        """Keep the number; it is durable when this returns."""
        ...


class Way(Protocol):
    """How updates come in. May be opened again after it was closed."""

    async def open(self) -> None:
        """Get ready, before anything is asked of Telegram. Raises ``UserError`` if it cannot."""
        ...

    async def arrange(self) -> None:
        """Tell Telegram that updates are to come this way. Raises ``TelegramError``."""
        ...

    async def run(self, hands: Hands) -> None:
        """Hand over what comes in, until cancelled."""
        ...

    def halt(self) -> None:
        """Begin nothing more."""
        ...

    async def close(self) -> None:
        """Let what is being handed over come to its end, and close what is open."""
        ...
