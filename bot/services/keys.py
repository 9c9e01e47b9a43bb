"""Buttons, kept on the server before the card that has them is shown."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from bot.chat.content import Content
from bot.chat.errors import UserError
from bot.chat.keypad import Keypad
from bot.services.access import Member
from storage.database import Database
from storage.repositories import buttons, settings
from storage.repositories.restored import BUTTONS_SECRET

Shown = TypeVar("Shown", bound=Content)


class Keys:
    """Makes cards with buttons, and says what a pressed one means."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secret = b""

    async def make(self, make: Callable[[Keypad], Shown]) -> Shown:
        """The card, its buttons stored."""
        keypad = Keypad(await self._key())
        card = make(keypad)
        if keypad.keys:
            async with self._database.transaction() as session:
                await buttons.keep(session, [asdict(key) for key in keypad.keys])
        return card

    async def _key(self) -> bytes:
        if not self._secret:
            async with self._database.transaction() as session:
                value = await settings.first(session, BUTTONS_SECRET, secrets.token_hex(32))
            self._secret = bytes.fromhex(value)
        return self._secret

    async def meaning(self, token: str, member: Member) -> tuple[str, Mapping[str, Any], bool, bool]:
        """(action, payload, once, used before) of a token. Raises ``UserError`` for an old or a foreign button."""
        async with self._database.reading() as session:
            row = await buttons.get(session, token)
        if row is None:
            raise UserError("button_old")
        if row.person_id is not None and row.person_id != member.id:
            raise UserError("button_foreign")
        return row.action, row.payload, row.once, row.used_at is not None

    async def use(self, token: str) -> bool:
        """Use a one-time button; False if it was used before."""
        async with self._database.transaction() as session:
            return await buttons.use(session, token)
