"""Buttons, kept on the server before the card that has them is shown."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

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

    async def make(self, make: Callable[[Keypad], Shown], session: AsyncSession | None = None) -> Shown:
        """The card, its buttons stored; with what else a session stores, if one is given."""
        keypad = Keypad(self._secret or await self._first_secret(session))
        card = make(keypad)
        if keypad.keys:
            async with self._within(session) as storing:
                await buttons.keep(storing, [asdict(key) for key in keypad.keys])
        return card

    def _within(self, session: AsyncSession | None) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.transaction() if session is None else nullcontext(session)

    async def _first_secret(self, session: AsyncSession | None) -> bytes:
        async with self._within(session) as storing:
            stored = await settings.get(storing, BUTTONS_SECRET)
            if stored is None:
                # Not remembered: it counts only when what the session stores does.
                return bytes.fromhex(await settings.first(storing, BUTTONS_SECRET, secrets.token_hex(32)))
        self._secret = bytes.fromhex(stored)
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
