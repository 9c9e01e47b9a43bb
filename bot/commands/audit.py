"""Who did what when, for those who lead."""

from collections.abc import Mapping
from typing import Any

from bot.cards import audit as cards
from bot.chat.content import Attachment, Card
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.audit import LAST, MOST, Audit


class Audits:
    """The family's handlers."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def commands(self) -> list[Command]:
        """What people may type."""
        return [Command("audit", Role.LEAD, self.audit, "[page]")]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("audit.page", Role.LEAD, self.press_page),
            Action("audit.table", Role.LEAD, self.press_table),
        ]

    async def audit(self, context: Context, arguments: str) -> None:
        """A page, the newest one when none is named."""
        word = arguments.strip() or "1"
        if not (word.isascii() and word.isdigit()) or len(word) > len(str(LAST)):
            raise UserError("audit_page", last=LAST)
        page = await self._audit.page(int(word))
        await context.reply(lambda keypad: cards.page(context.t, keypad, page))

    async def press_page(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Another page, in the same message."""
        page = await self._audit.page(payload["page"])
        await context.show(context.ref, lambda keypad: cards.page(context.t, keypad, page))
        return None

    async def press_table(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """All of it as a file."""
        file = Attachment("audit.csv", "text/csv", await self._audit.table())
        title = context.t("card.audit.table", n=MOST)
        await context.reply(Card(title, attachments=(file,), rings=False), part="table")
        return None
