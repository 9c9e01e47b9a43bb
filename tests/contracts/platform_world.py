"""The smallest piece of a platform's surroundings that makes one person able to write and to look."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.chat.events import Ack, Deliver, Event, Message, Press
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Platform

WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of the bot as the person sees it now. ``text`` is all its words, ``labels`` its buttons."""

    id: str
    text: str
    labels: tuple[str, ...] = ()
    reply_to: str | None = None


class World(Protocol):
    """One person in a private place of a platform."""

    platform: Platform
    place: Place

    async def open(self, deliver: Deliver) -> None:
        """Start the platform, and let the person come."""
        ...

    async def close(self) -> None:
        """Stop the platform; everything is closed when this returns."""
        ...

    async def say(self, text: str) -> None:
        """The person writes."""
        ...

    async def upload(self, name: str, data: bytes) -> None:
        """The person sends a file."""
        ...

    async def press(self, label: str) -> Ack | None:
        """The person presses the newest button with this label; returns what they are told, once they are."""
        ...

    async def erase(self, ref: MessageRef) -> None:
        """Take a message of the bot away behind its back."""
        ...

    async def sent(self) -> list[Seen]:
        """What the person sees of the bot, oldest first."""
        ...

    async def until(self, predicate: Callable[[list[Seen]], bool]) -> list[Seen]:
        """Wait until what is seen is so; returns it."""
        ...


class Inbox:
    """Takes in what a platform delivers. Raises ``failures`` times before it does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failures = 0
        self.ack = Ack("taken")
        self._changed = asyncio.Condition()

    async def deliver(self, event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        if self.failures:
            self.failures -= 1
            raise OSError("nothing can be stored at the moment")
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        return self.ack if isinstance(event, Press) else None

    async def wait(self, count: int) -> list[Event]:
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.events) >= count)
        return self.events

    async def messages(self, count: int) -> list[Message]:
        return [event for event in await self.wait(count) if isinstance(event, Message)]
