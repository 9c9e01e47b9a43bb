"""A chat platform whose world is kept outside of the bot: what people see stays when bots die."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.chat.content import Answer, Button, Card, Content
from bot.chat.errors import PlatformError, Vanished
from bot.chat.events import Ack, Deliver, Event, Message, Press, Upload
from bot.chat.places import Account, MessageRef, Place, PlaceKind
from bot.chat.platform import Extent, Limits


@dataclass
class Chats:
    """The truth: what stands in the chats. Never dies."""

    messages: dict[str, Content] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    troubles: list[PlatformError] = field(default_factory=list)
    after: list[PlatformError] = field(default_factory=list)  # raised after the message was taken
    downloads: list[PlatformError] = field(default_factory=list)  # raised in the middle of a download
    typing: int = 0  # how often it was shown
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def cards(self) -> list[Card]:
        """All cards, oldest first."""
        return [content for content in self.messages.values() if isinstance(content, Card)]

    def answers(self) -> list[Answer]:
        """All pages of answers, oldest first."""
        return [content for content in self.messages.values() if isinstance(content, Answer)]

    def text(self) -> str:
        """Everything that can be read."""
        return "\n".join(repr(content) for content in self.messages.values())

    def shows(self, words: str) -> bool:
        """Whether something can be read somewhere."""
        return words in self.text()

    async def more_than(self, count: int) -> None:
        """Wait until there are more messages than so many."""
        await self.until(lambda: len(self.messages) > count)

    async def until(self, holds: Callable[[], object], seconds: float = 20) -> None:
        """Wait until something holds; says what stands in the chats if it never does."""
        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(lambda: bool(holds())), seconds)
            except TimeoutError:
                raise AssertionError(f"it never came to hold; the chats say:\n{self.text()}") from None


class ScriptedPlatform:
    """The bot's side of it."""

    name = "chats"

    def __init__(self, world: Chats, *, repeatable: bool = False, progress: float = 0.0) -> None:
        self.world = world
        self.limits = Limits(
            2000,
            0.0,
            0.0,
            10_000,
            1_000_000,
            progress,
            progress,
            jitter=0.0,
            private_placeholder=0.0,
            group_placeholder=0.0,
            first_units=1,
            repeatable_sends=repeatable,
        )
        self._deliver: Deliver | None = None
        self._keys: dict[str, MessageRef] = {}

    async def start(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def quiet(self) -> None:
        self._deliver = None

    async def stop(self) -> None:
        self._deliver = None

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        self._trouble(self.world.troubles)
        if self.limits.repeatable_sends and key in self._keys:
            return self._keys[key]
        number = str(next(self.world.numbers))
        self.world.messages[number] = content
        self.world.places[number] = place
        self._keys[key] = MessageRef(place, number)
        await self._tell()
        self._trouble(self.world.after)
        return self._keys[key]

    async def edit(self, ref: MessageRef, content: Content) -> None:
        self._trouble(self.world.troubles)
        if ref.id not in self.world.messages:
            raise Vanished
        self.world.messages[ref.id] = content
        await self._tell()

    def measure(self, text: str) -> Extent:
        return Extent(len(text.encode("utf-16-le")) // 2, 0)

    async def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        if upload.handle not in self.world.files:
            raise Vanished
        data = self.world.files[upload.handle]
        for start in range(0, len(data), 1000):
            self._trouble(self.world.downloads)
            yield data[start : start + 1000]

    def invitation(self, word: str) -> str | None:
        return f"https://chats.test/?start={word}"

    async def typing(self, place: Place) -> None:
        self.world.typing += 1
        await self._tell()

    def _trouble(self, kind: list[PlatformError]) -> None:
        if kind:
            raise kind.pop(0)

    async def _tell(self) -> None:
        async with self.world.changed:
            self.world.changed.notify_all()

    async def hand_over(self, event: Event) -> Ack | None:
        """What the platform's own traffic would do."""
        assert self._deliver is not None
        return await self._deliver(event)


@dataclass
class Someone:
    """A person at a scripted platform."""

    platform: ScriptedPlatform
    id: str = "ann"
    language: str | None = "en"
    chat: str = ""
    kind: PlaceKind = PlaceKind.PRIVATE

    @property
    def account(self) -> Account:
        return Account(self.platform.name, self.id, self.id.title(), self.language)

    @property
    def place(self) -> Place:
        return Place(self.platform.name, self.chat or self.id, kind=self.kind)

    def _ref(self) -> MessageRef:
        return MessageRef(self.place, f"m{next(self.platform.world.numbers)}")

    async def says(self, text: str, *, event: str | None = None, addressed: bool = True) -> None:
        ref = self._ref()
        await self.platform.hand_over(
            Message(event or f"e{ref.id}", self.place, self.account, ref, text, addressed=addressed)
        )

    async def sends(self, name: str, data: bytes, text: str = "") -> None:
        await self.sends_all({name: data}, text=text)

    async def sends_all(self, files: Mapping[str, bytes], *, text: str = "", addressed: bool = True) -> None:
        """Several files in one message, with something written under them."""
        ref = self._ref()
        uploads = []
        for number, (name, data) in enumerate(files.items()):
            handle = f"{ref.id}-{number}"
            self.platform.world.files[handle] = data
            uploads.append(Upload(handle, name, len(data)))
        await self.platform.hand_over(
            Message(f"e{ref.id}", self.place, self.account, ref, text, tuple(uploads), addressed)
        )

    async def presses(self, label: str, *, event: str | None = None) -> Ack | None:
        """The newest button with this label."""
        number, button = self.button(label)
        ref = MessageRef(self.platform.world.places[number], number)
        press = event or f"p{next(self.platform.world.numbers)}"
        return await self.platform.hand_over(Press(press, self.place, self.account, ref, button.token))

    def button(self, label: str) -> tuple[str, Button]:
        for number, content in reversed(self.platform.world.messages.items()):
            for row in content.buttons:
                for button in row:
                    if button.label == label:
                        return number, button
        raise AssertionError(f"no button {label!r}; the chats say:\n{self.platform.world.text()}")
