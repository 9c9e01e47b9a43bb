"""Telegram with drafts: in private chats a text can be seen while it is being written, before it is a message."""

import hashlib

from bot.chat.content import Content
from bot.chat.errors import Refused
from bot.chat.places import Place, PlaceKind
from bot.platforms.telegram.outgoing import page_of
from bot.platforms.telegram.platform import TelegramPlatform

# Telegram takes any number but 0; one of 31 bits is a number in every client.
_IDS = 2**31 - 1


def draft_id(key: str) -> int:
    """The draft's number: the same for the same key, never 0."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % _IDS + 1


class DraftingTelegramPlatform(TelegramPlatform):
    """Implements :class:`bot.chat.platform.Drafting` too: for those who switched drafts on."""

    async def draft(self, place: Place, content: Content, *, key: str) -> None:
        """Show or replace a draft; it goes after 30 seconds or with the next message.

        Raises what ``send`` raises; ``Refused`` in groups, where Telegram knows no drafts.
        """
        if place.kind is not PlaceKind.PRIVATE:
            raise Refused("drafts are for private chats")
        await self._outgoing.draft(place, page_of(content), draft_id(key))
