"""What Telegram shows of us before anybody wrote: the command menu per kind of chat, the words on the profile; each in
every language.

A menu hides nothing from anybody, it only offers: who may do what is decided where a command is handled.
"""

import re
import secrets
from collections.abc import Sequence

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
)
from telegram.constants import BotCommandLimit, BotDescriptionLimit
from telegram.error import TelegramError

from bot.chat.content import MenuEntry
from bot.locales import DEFAULT_LANGUAGE, LANGUAGES, translator
from bot.platforms.telegram.errors import BROKEN_ANSWERS
from bot.platforms.telegram.redaction import safe_logger

log = safe_logger(__name__)

_NAME = re.compile(r"[a-z0-9_]{1,32}")
_ROLES = ("guest", "user", "trainer", "lead", "admin")
# To whom each scope belongs, by the highest role whose commands it offers. Telegram shows the narrowest that fits: the
# default is left to chats of no known kind. Groups talk and train; a team is led in private, or by those who lead the
# group.
_SCOPES: tuple[tuple[BotCommandScope, str], ...] = (
    (BotCommandScopeDefault(), "guest"),
    (BotCommandScopeAllPrivateChats(), "admin"),
    (BotCommandScopeAllGroupChats(), "trainer"),
    (BotCommandScopeAllChatAdministrators(), "admin"),
)


async def publish(bot: Bot, menu: Sequence[MenuEntry]) -> None:
    """Tell Telegram. A failure is only logged: everything works without a menu."""
    try:
        for language in LANGUAGES:
            # People of any other language get the default one.
            code = "" if language == DEFAULT_LANGUAGE else language
            t = translator(language)
            for scope, role in _SCOPES:
                await bot.set_my_commands(commands(menu, language, role), scope=scope, language_code=code)
            await bot.set_my_short_description(
                t("telegram.short_description")[: BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH], language_code=code
            )
            await bot.set_my_description(
                t("telegram.description")[: BotDescriptionLimit.MAX_DESCRIPTION_LENGTH], language_code=code
            )
    except (TelegramError, *BROKEN_ANSWERS) as error:
        log.warning("the command menu could not be set (%s)", type(error).__name__)
    except Exception:
        log.exception("error %s: the command menu could not be set", secrets.token_hex(4))


def commands(menu: Sequence[MenuEntry], language: str, role: str = "admin") -> list[BotCommand]:
    """The entries that Telegram's menu can hold, of those that somebody with this role may use."""
    may = _ROLES[: _ROLES.index(role) + 1]
    made = []
    for entry in menu:
        text = entry.descriptions.get(language) or entry.descriptions.get(DEFAULT_LANGUAGE) or entry.name
        if _NAME.fullmatch(entry.name) and entry.role in may:
            made.append(BotCommand(entry.name, text[: BotCommandLimit.MAX_DESCRIPTION]))
    return made[: BotCommandLimit.MAX_COMMAND_NUMBER]
