"""People who use the bot."""

import re
from typing import TYPE_CHECKING, Any

from tests.fakes.telegram.refusals import units
from tests.fakes.telegram.state import Group, Query, Shown, standing

if TYPE_CHECKING:
    from tests.fakes.telegram.world import World


class Person:
    """Somebody with a Telegram account. What they do becomes an update for the bot."""

    def __init__(self, server: "World", id: int, name: str, language: str | None) -> None:  # noqa: A002
        self.server = server
        self.id = id
        self.name = name
        self.language = language
        self.is_bot = False

    @property
    def user(self) -> dict[str, Any]:
        """As the API writes them."""
        first, _, last = self.name.partition(" ")
        made: dict[str, Any] = {"id": self.id, "is_bot": self.is_bot, "first_name": first}
        if last:
            made["last_name"] = last
        if self.language:
            made["language_code"] = self.language
        return made

    async def says(
        self, text: str, chat: Group | None = None, *, thread: int | None = None, reply_to: Shown | None = None
    ) -> Shown:
        """Write a message; commands and mentions are marked as the client marks them."""
        return await self._send({"text": text, "entities": _marks(text)}, text, chat, thread, reply_to)

    async def sends_file(
        self,
        name: str | None,
        data: bytes,
        chat: Group | None = None,
        *,
        caption: str = "",
        size: int | None = None,
        mime: str = "",
    ) -> Shown:
        """Send a document. ``size``: what Telegram is to say about it, if not the truth."""
        stored = self.server.store(f"documents/{name or 'file'}", data, size)
        document: dict[str, Any] = {
            "file_id": stored.id,
            "file_unique_id": f"u{stored.id}",
            "file_size": stored.size,
        }
        if name is not None:
            document["file_name"] = name
        if mime:
            document["mime_type"] = mime
        body: dict[str, Any] = {"document": document}
        if caption:
            body |= {"caption": caption, "caption_entities": _marks(caption)}
        return await self._send(body, caption, chat)

    async def sends_photo(self, data: bytes, chat: Group | None = None) -> Shown:
        """Send a picture; Telegram makes several sizes of it."""
        sizes = []
        for width in (90, 1280):
            stored = self.server.store("photos/picture.jpg", data, None)
            size = {"width": width, "height": width, "file_size": stored.size}
            sizes.append({"file_id": stored.id, "file_unique_id": f"u{stored.id}", **size})
        return await self._send({"photo": sizes}, "", chat)

    async def sends(self, body: dict[str, Any], chat: Group | None = None) -> Shown:
        """Send something else: a sticker, a service message; ``body`` as the API writes it."""
        return await self._send(body, "", chat)

    async def edits(self, message: Shown, text: str) -> None:
        """Change a message of one's own."""
        message.text = text
        body = {**message.raw, "text": text, "entities": _marks(text), "edit_date": self.server.now}
        await self.server.add_update("edited_message", body)

    async def presses(self, message: Shown, button: str) -> Query:
        """Press a button by its label or its data. The query's ``answer`` is set once the bot answered."""
        data = next(
            (
                item["callback_data"]
                for row in message.keyboard
                for item in row
                if "callback_data" in item and button in (item["text"], item["callback_data"])
            ),
            None,
        )
        if data is None:
            raise AssertionError(f"no button {button!r} to press among {message.labels}")
        query = self.server.new_query()
        body = {"id": query.id, "from": self.user, "chat_instance": "1", "data": data, "message": message.raw}
        await self.server.add_update("callback_query", body)
        return query

    async def blocks(self) -> None:
        """Block the bot."""
        self.server.blocked.add(self.id)
        await self._stands("member", "kicked")

    async def unblocks(self) -> None:
        """Let the bot write again."""
        self.server.blocked.discard(self.id)
        await self._stands("kicked", "member")

    async def _stands(self, was: str, now: str) -> None:
        me = self.server.me
        body = {
            "chat": self.server.chat(self.id),
            "from": self.user,
            "date": self.server.now,
            "old_chat_member": standing(me, was),
            "new_chat_member": standing(me, now),
        }
        await self.server.add_update("my_chat_member", body)

    async def _send(
        self,
        body: dict[str, Any],
        text: str,
        chat: Group | None,
        thread: int | None = None,
        reply_to: Shown | None = None,
    ) -> Shown:
        message = self.server.new_message(chat.id if chat else self.id, thread, text)
        message.by_bot = False
        message.raw |= {"from": self.user, **body}
        if reply_to is not None:
            message.reply_to = reply_to.id
            message.raw["reply_to_message"] = reply_to.raw
        await self.server.add_update("message", message.raw)
        return message


def _marks(text: str) -> list[dict[str, Any]]:
    patterns = (("bot_command", r"(?<!\S)/\w+(?:@\w+)?"), ("mention", r"(?<![\w/])@\w{4,}"))
    return [
        {"type": kind, "offset": len(units(text[: match.start()])), "length": len(units(match.group()))}
        for kind, pattern in patterns
        for match in re.finditer(pattern, text)
    ]
