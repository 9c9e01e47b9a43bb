"""Running the team: invites and roles."""

from collections.abc import Mapping

from bot.cards import lists, welcome
from bot.chat.content import Card, Paragraph
from bot.chat.errors import UserError
from bot.chat.places import PlaceKind
from bot.chat.platform import Inviting, Platform
from bot.commands.context import Context
from bot.commands.registry import Command
from bot.services.access import Access, Role


class Team:
    """The family's handlers."""

    def __init__(self, access: Access, platforms: Mapping[str, Platform]) -> None:
        self._access = access
        self._platforms = platforms

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("invite", Role.ADMIN, self.invite, "[user|trainer|lead|admin]", personal=True),
            Command("people", Role.ADMIN, self.people),
            Command("grant", Role.ADMIN, self.grant, "N role"),
            Command("revoke", Role.ADMIN, self.revoke, "N"),
        ]

    async def invite(self, context: Context, arguments: str) -> None:
        """A one-time code; never shown in a group."""
        if context.place.kind is PlaceKind.GROUP:
            raise UserError("only_private")
        role = Role.of(arguments.split(" ")[0]) if arguments.strip() else Role.USER
        code = await self._access.invite(role, context.member)
        platform = self._platforms[context.place.platform]
        link = platform.invitation(f"join_{code}") if isinstance(platform, Inviting) else None
        await context.reply(welcome.invite(context.t, code, role, link))

    async def people(self, context: Context, arguments: str) -> None:
        """Who is here."""
        await context.reply(lists.people(context.t, await self._access.everybody()))

    async def grant(self, context: Context, arguments: str) -> None:
        """Give a role."""
        number, _, word = arguments.strip().partition(" ")
        if not number.isdigit() or not word:
            raise UserError("grant_usage")
        await self._change(context, int(number), Role.of(word))

    async def revoke(self, context: Context, arguments: str) -> None:
        """Shut somebody out."""
        number = arguments.strip()
        if not number.isdigit():
            raise UserError("grant_usage")
        await self._change(context, int(number), Role.GUEST)

    async def _change(self, context: Context, person_id: int, role: Role) -> None:
        member = await self._access.grant(person_id, role, context.member)
        text = context.t("card.granted", name=member.name, role=context.t(f"role.{role.word}"))
        await context.reply(Card(blocks=(Paragraph(text),), rings=False))
