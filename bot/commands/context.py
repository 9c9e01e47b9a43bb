"""What a handler is given: who asks, where, in which language, and how to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.answering.courier import Courier
from bot.chat.content import Card, Content
from bot.chat.errors import Refused, Vanished
from bot.chat.keypad import Keypad
from bot.chat.places import Account, MessageRef, Place
from bot.locales import Translator
from bot.services.access import Member
from bot.services.keys import Keys

# A card made with a keypad: its buttons are kept before it is shown.
Make = Callable[[Keypad], Content]


class Replies(Protocol):
    """Which messages replied to a request, kept for as long as it is not handled."""

    async def former(self, part: str) -> str | None:
        """The message in which a process that died had shown this part; None if there is none."""
        ...

    async def note(self, part: str, message: str) -> None:
        """This part has a message."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """One request. ``ref`` is the person's message, or the message whose button was pressed; ``event`` names it.

    ``dataset``: the one that came with a command, as a file above it.
    """

    member: Member
    account: Account
    place: Place
    ref: MessageRef
    event: str
    t: Translator
    courier: Courier
    keys: Keys
    replies: Replies
    dataset: int | None = None

    async def content(self, what: Content | Make) -> Content:
        """The content with its buttons kept."""
        if not callable(what):
            return what
        return await self.keys.make(what)

    async def reply(self, what: Card | Make, *, part: str = "reply", passing: bool = False) -> MessageRef:
        """Answer the person's message. ``part`` tells several replies to one request apart.

        ``passing``: what is shown now will be replaced; work that goes on must not end because it may be seen twice.
        """
        content = await self.content(what)
        key = f"{self.place.platform}:{self.event}:{part}"
        former = await self.replies.former(part)
        if former is not None and not (isinstance(content, Card) and content.attachments):
            # A process that died had replied already: its message goes on, rather than a second one beside it. (An
            # edit brings no files: a reply with some is sent once more, rather than without them.)
            ref = MessageRef(self.place, former)
            try:
                await self.courier.edit(ref, content)
            except (Vanished, Refused):
                former = None
            else:
                return ref
        ref = await self.courier.send(self.place, content, key=key, reply_to=self.ref, passing=passing)
        await self.replies.note(part, ref.id)
        return ref

    async def show(self, ref: MessageRef, what: Card | Make) -> None:
        """Replace what a message of ours shows."""
        await self.courier.edit(ref, await self.content(what))

    @property
    def language(self) -> str:
        """The reader's."""
        return self.t.language
