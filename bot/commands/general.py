"""Start, help, language, who I am, what is kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.cards import welcome
from bot.chat.content import Card, MenuEntry, Paragraph
from bot.chat.errors import UserError
from bot.chat.events import Ack, Message
from bot.chat.places import PlaceKind
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.locales import LANGUAGES, translator
from bot.services.access import Access, Role

Find = Callable[[str], tuple[Command | None, str, str] | None]

_LANGUAGE_WORDS = {"zh": "zh", "en": "en", "中文": "zh", "汉语": "zh", "chinese": "zh", "english": "en", "英文": "en"}


class General:
    """The family's handlers. ``menu`` and ``find`` are asked late: they know the commands of all families."""

    def __init__(self, access: Access, menu: Callable[[], Sequence[MenuEntry]], find: Find) -> None:
        self._access = access
        self._menu = menu
        self._find = find

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("start", Role.GUEST, self.start, "[code]"),
            Command("help", Role.GUEST, self.help, "[command]", personal=True),
            Command("lang", Role.GUEST, self.language, "zh|en", personal=True),
            Command("whoami", Role.GUEST, self.whoami, personal=True),
            Command("privacy", Role.GUEST, self.privacy, personal=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [Action("help", Role.GUEST, self.press_help)]

    async def start(self, context: Context, arguments: str) -> None:
        """Greet; a code after the word lets somebody in; a deep link leads to what it names."""
        payload = arguments.split(" ")[0]
        if "_" in payload and not payload.startswith("join_"):
            await self._follow(context, payload)
        elif payload:
            await self._redeem(context, payload.removeprefix("join_"))
        else:
            group = context.place.kind is PlaceKind.GROUP
            await context.reply(lambda keypad: welcome.start(context.t, keypad, context.member, group=group))

    async def _follow(self, context: Context, payload: str) -> None:
        """A deep link (``job_12``) is the command that it names. Raises ``UserError`` ``link_unknown``."""
        found = self._find(f"/{payload}")
        command = None if found is None else found[0]
        if found is None or command is None or not command.item:
            raise UserError("link_unknown")
        if command.role is not Role.GUEST:
            context.member.must_be(command.role)
        await command.handler(context, found[1])

    async def redeem(self, context: Context, event: Message) -> None:
        """A guest's plain text: perhaps a code, else one polite line."""
        word = event.text.strip()
        if 8 <= len(word) <= 64 and word.isascii() and not any(character.isspace() for character in word):
            await self._redeem(context, word)
        else:
            raise UserError("guest")

    async def _redeem(self, context: Context, code: str) -> None:
        member = await self._access.redeem(code, context.account)
        await self._access.reached(context.account, context.place)
        group = context.place.kind is PlaceKind.GROUP
        await context.reply(lambda keypad: welcome.start(context.t, keypad, member, group=group))

    async def help(self, context: Context, arguments: str) -> None:
        """All commands of the reader's role, or one in full."""
        name = arguments.strip().removeprefix("/").lower()
        if not name:
            await context.reply(welcome.help_list(context.t, context.member, self._menu()))
            return
        for entry in self._menu():
            if entry.name == name:
                await context.reply(welcome.help_one(context.t, entry))
                return
        raise UserError("command_unknown", word=name[:40])

    async def press_help(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await context.reply(welcome.help_list(context.t, context.member, self._menu()))
        return None

    async def language(self, context: Context, arguments: str) -> None:
        """Choose a language; without one, the other."""
        word = arguments.strip().lower()
        if not word:
            language = next(name for name in LANGUAGES if name != context.language)
        elif word in _LANGUAGE_WORDS:
            language = _LANGUAGE_WORDS[word]
        else:
            raise UserError("language_unknown", value=word[:20])
        await self._access.choose_language(context.member, language)
        await context.reply(
            Card(blocks=(Paragraph(translator(language)("card.language")),), rings=False, personal=True)
        )

    async def whoami(self, context: Context, arguments: str) -> None:
        """Name, role, number."""
        await context.reply(welcome.whoami(context.t, context.member))

    async def privacy(self, context: Context, arguments: str) -> None:
        """What is stored, and how to have it deleted."""
        await context.reply(
            Card(context.t("card.privacy"), (Paragraph(context.t("card.privacy.what")),), rings=False, personal=True)
        )
