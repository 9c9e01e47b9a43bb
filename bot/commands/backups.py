"""Making a backup from the chat."""

from bot.chat.content import Card, Code, Paragraph, Tone
from bot.commands.context import Context
from bot.commands.registry import Command
from bot.services.access import Role
from bot.services.backup import Backup


class Backups:
    """The family's handlers."""

    def __init__(self, backup: Backup) -> None:
        self._backup = backup

    def commands(self) -> list[Command]:
        """What people may type."""
        return [Command("backup", Role.ADMIN, self.backup, beside=True)]

    async def backup(self, context: Context, arguments: str) -> None:
        """Write an archive and say where it lies. It holds everybody's data, so it never goes through a chat."""
        made = await self._backup.make(by=context.member)
        t = context.t
        text = Paragraph(t("card.backup", size=t.size(made.size), n=made.files))
        how = Paragraph(t("card.backup.how"), Tone.MUTED)
        await context.reply(Card(blocks=(text, Code(str(made.path)), how), rings=False))
