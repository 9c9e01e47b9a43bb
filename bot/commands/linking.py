"""Linking accounts: ``/link`` gives a code, ``/link CODE`` on another platform uses it."""

from collections.abc import Mapping
from typing import Any

from bot.cards import welcome
from bot.chat.content import Card, Paragraph
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import PlaceKind
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.linking import LINK_MINUTES, Linking


class Links:
    """The family's handlers."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    def commands(self) -> list[Command]:
        """What people may type."""
        return [Command("link", Role.GUEST, self.link, "[code]", personal=True)]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [Action("link.merge", Role.USER, self.press_merge)]

    async def link(self, context: Context, arguments: str) -> None:
        """A code for another platform, or a code from there; never in a group, where others read along."""
        if context.place.kind is PlaceKind.GROUP:
            raise UserError("only_private")
        code = arguments.strip()
        if not code:
            context.member.must_be(Role.USER)
            issued = await self._linking.issue(context.member)
            await context.reply(welcome.link_code(context.t, issued, LINK_MINUTES))
            return
        offer = await self._linking.look(code, context.account)
        if offer is None:
            await context.reply(_line(context, "link.already"))
        elif offer.merges:
            person = context.member.id
            await context.reply(lambda keypad: welcome.link_offer(context.t, keypad, offer, context.member, person))
        else:
            name = await self._linking.accept(offer.key, context.account)
            await context.reply(_line(context, "link.done", name=name))

    async def press_merge(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The other side agreed."""
        name = await self._linking.accept(payload["code"], context.account)
        await context.show(context.ref, _line(context, "link.done", name=name))
        return None


def _line(context: Context, key: str, **fields: object) -> Card:
    return Card(blocks=(Paragraph(context.t(key, **fields)),), rings=False, personal=True)
