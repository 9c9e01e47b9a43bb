"""What the Telegram platform needs and does not have itself: a memory of how far updates were taken in."""

from typing import Protocol


class OffsetStore(Protocol):
    """Keeps one number: the id of the first update that was not taken in yet."""

    async def load(self) -> int | None:
        """The number that was saved last, ``None`` at the very first start."""
        ...

    async def save(self, offset: int) -> None:
        """Keep the number; it is durable when this returns."""
        ...
