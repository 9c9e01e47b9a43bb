"""From what a page sends to events: stored in the log first, then handed over, each exactly as often as meant."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.chat.errors import NotStored, UserError
from bot.chat.events import Ack, Deliver, Message, Press, Upload
from bot.chat.places import Account, MessageRef, Place
from bot.locales import translator
from bot.platforms.web.bodies import Body, file_body, text_body
from bot.platforms.web.frames import LONGEST_TEXT, Say, Tap
from bot.platforms.web.incoming import Incoming
from bot.platforms.web.ports import Entry, MessageLog, Visitor
from bot.platforms.web.rooms import Rooms
from bot.platforms.web.sessions import sentence

NAME = "web"


@dataclass(slots=True)
class Reception:
    """Takes in messages, files and presses of people that the guard let through. ``deliver`` is set while open."""

    log: MessageLog
    rooms: Rooms
    incoming: Incoming
    deliver: Deliver | None = None

    async def say(self, visitor: Visitor, say: Say, language: str) -> Mapping[str, object] | None:
        """A message; answers ``accepted`` once it cannot be lost. Sent again with the same id it is no second one.

        ``None`` while closing: what is not answered stays with the page, which sends it again.
        """
        if self.deliver is None:
            return None
        if len(say.text.encode("utf-16-le")) > 2 * LONGEST_TEXT:
            return {"failed": say.id, "text": translator(language)("web.message.too_long", limit=LONGEST_TEXT)}
        if say.silent:
            message = self._message(visitor, say.id, "0", language, say.text)
            return await self._hand_over(say.id, language, message)
        async with self.rooms[visitor.room].order:
            entry = await self._append(visitor, say.id, text_body(say.text, say.id))
            message = self._message(visitor, say.id, str(entry.id), language, say.text)
            return await self._hand_over(say.id, language, message)

    async def file(
        self,
        visitor: Visitor,
        client: str,
        name: str,
        size: int,
        handle: str,
        language: str,
    ) -> Mapping[str, object]:
        """A file that has arrived whole, as a message."""
        async with self.rooms[visitor.room].order:
            entry = await self._append(visitor, client, file_body(name, size, handle, client))
            kept = str(entry.body.get("handle", handle))
            if kept != handle:
                await self.incoming.drop(handle)
            message = self._message(visitor, client, str(entry.id), language, "", (Upload(kept, name, size),))
            return await self._hand_over(client, language, message)

    async def tap(self, visitor: Visitor, tap: Tap, language: str) -> Mapping[str, object]:
        """A press; answers with what is shown at the button."""
        say = translator(language)
        if await entry_of(self.log, visitor.room, tap.entry) is None:
            return {"ack": tap.id, "text": say("web.button.gone"), "alert": False}
        if self.deliver is None:
            return {"ack": tap.id, "text": say("web.error.stopping"), "alert": False}
        place = Place(NAME, visitor.room)
        account = Account(NAME, visitor.account, visitor.name, language)
        try:
            ack = await self.deliver(Press(tap.id, place, account, MessageRef(place, str(tap.entry)), tap.token))
        except UserError as error:
            ack = Ack(sentence(language, error), alert=True)
        except NotStored:
            ack = Ack(say("web.error.not_stored"), alert=True)
        return {"ack": tap.id, "text": ack.text if ack else "", "alert": bool(ack and ack.alert)}

    async def _append(self, visitor: Visitor, client: str, body: Body) -> Entry:
        # The room stands in the key: nobody can reach another's entry by its id.
        entry = await self.log.append(visitor.room, "person", body, f"{visitor.room}:in:{client}")
        self.rooms.changed(visitor.room)
        return entry

    def _message(
        self,
        visitor: Visitor,
        client: str,
        entry: str,
        language: str,
        text: str,
        uploads: tuple[Upload, ...] = (),
    ) -> Message:
        place = Place(NAME, visitor.room)
        account = Account(NAME, visitor.account, visitor.name, language)
        return Message(client, place, account, MessageRef(place, entry), text, uploads)

    async def _hand_over(
        self,
        client: str,
        language: str,
        message: Message,
    ) -> Mapping[str, object]:
        if self.deliver is None:
            return {"failed": client, "text": translator(language)("web.error.stopping")}
        try:
            await self.deliver(message)
        except UserError as error:
            return {"failed": client, "text": sentence(language, error)}
        except NotStored:
            return {"failed": client, "text": translator(language)("web.error.not_stored")}
        return {"accepted": client}


async def entry_of(log: MessageLog, room: str, number: int) -> Entry | None:
    """One entry of a room, if it has it."""
    found = await log.latest(room, number + 1, 1)
    return found[0] if found and found[0].id == number else None
