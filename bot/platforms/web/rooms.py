"""Who is looking at which room, and the answers that are being made there.

A connection reads the log itself, in the order of revisions, whenever it is woken: nothing that is stored can be
missed or overtaken. Only what is never stored (previews, the typing sign) is pushed.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.platforms.web.bodies import Body


class Listener:
    """One open page: what waits to be sent to it. A newer preview of a message replaces an older one."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.frames: deque[Mapping[str, object]] = deque()
        self.previews: dict[int, Body] = {}
        # Whether the log may hold something that this page has not seen.
        self.stale = True

    def changed(self) -> None:
        """Read the log again."""
        self.stale = True
        self.wake.set()

    def push(self, frame: Mapping[str, object]) -> None:
        """Send this frame after all that is stored by now."""
        self.frames.append(frame)
        self.wake.set()


@dataclass(slots=True)
class Room:
    """A room that somebody looks at or the bot writes in."""

    listeners: set[Listener] = field(default_factory=set)
    previews: dict[int, Body] = field(default_factory=dict)
    # Keeps what one person sends from several tabs in the order in which it is shown.
    order: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rooms:
    """All rooms of this process."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def __getitem__(self, name: str) -> Room:
        return self._rooms.setdefault(name, Room())

    def join(self, name: str) -> Listener:
        """A new listener, who at once has the previews of the room waiting."""
        room = self[name]
        listener = Listener()
        listener.previews.update(room.previews)
        room.listeners.add(listener)
        return listener

    def leave(self, name: str, listener: Listener) -> None:
        """Forget a listener."""
        self[name].listeners.discard(listener)
        self._tidy(name)

    def previews(self, name: str) -> Mapping[int, Body]:
        """The answers that are being made in a room, by the id of their entry."""
        room = self._rooms.get(name)
        return room.previews if room else {}

    def changed(self, name: str) -> None:
        """Something was stored in this room."""
        for listener in self._listeners(name):
            listener.changed()

    def push(self, name: str, frame: Mapping[str, object]) -> None:
        """Show everybody who looks something that is not stored."""
        for listener in self._listeners(name):
            listener.push(frame)

    def preview(self, name: str, entry: int, body: Body) -> None:
        """An answer as it stands; kept for those who come later."""
        self[name].previews[entry] = body
        for listener in self._listeners(name):
            listener.previews[entry] = body
            listener.wake.set()

    def settle(self, name: str, entry: int) -> None:
        """The answer is final and stored: its previews are of no use any more."""
        if name in self._rooms:
            self[name].previews.pop(entry, None)
        for listener in self._listeners(name):
            listener.previews.pop(entry, None)
            listener.changed()
        self._tidy(name)

    def _listeners(self, name: str) -> Iterable[Listener]:
        room = self._rooms.get(name)
        return tuple(room.listeners) if room else ()

    def _tidy(self, name: str) -> None:
        room = self._rooms.get(name)
        if room and not room.listeners and not room.previews and not room.order.locked():
            del self._rooms[name]
