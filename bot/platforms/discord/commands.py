"""Slash commands, made of our menu; and what somebody chose there, as the line that it stands for.

What a menu hides is no protection: who may do what is decided where a command is handled.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.chat.content import MenuEntry, Option, OptionKind
from bot.locales import DEFAULT_LANGUAGE, LANGUAGES, translator
from bot.platforms.discord.markdown import clipped

# Discord's names of our languages; British English would get the default all the same.
LOCALES = {"zh": ("zh-CN",), "en": ("en-US", "en-GB")}
MOST_DESCRIPTION, MOST_OPTIONS, MOST_COMMANDS, MOST_CHOICES = 100, 25, 100, 25
UPLOAD = "dataset"
FILE = "file"

_TYPES = {
    OptionKind.TEXT: 3,
    OptionKind.WHOLE: 4,
    OptionKind.SWITCH: 5,
    OptionKind.NUMBER: 10,
    OptionKind.PERCENT: 4,
}
_ATTACHMENT = 11
# "Manage Server": what an administrator of ours does is offered to those who manage the server.
_MANAGERS = str(1 << 5)
_NAME = re.compile(r"[-_\w]{1,32}")
_IN_SERVERS, _IN_PRIVATE = 0, 1


def payload(menu: Sequence[MenuEntry]) -> list[dict[str, Any]]:
    """All commands, as Discord takes them."""
    made = [_upload()] + [_command(entry) for entry in menu if _NAME.fullmatch(entry.name)]
    return made[:MOST_COMMANDS]


def line_of(entry: MenuEntry, given: Mapping[str, Any]) -> str:
    """The line that a command with these options stands for: ``/train 3 --preset quality``."""
    parts = [f"/{entry.name}"]
    for option in entry.options:
        if option.name not in given:
            continue
        value = given[option.name]
        if option.kind is OptionKind.SWITCH:
            parts += [option.form] if value else []
        elif option.form.startswith("/"):
            return option.form.format(str(value).strip())
        else:
            parts.append(option.form.format(_worded(option, value)))
    return " ".join(parts).strip()


def _worded(option: Option, value: Any) -> str:
    if option.kind is OptionKind.NUMBER:
        return f"{value:.12g}"
    text = str(value).strip()
    # Only what follows a flag has to be one word.
    if option.form.startswith("--") and re.search(r"\s", text):
        return '"' + text.replace('"', "'") + '"'
    return text


def _command(entry: MenuEntry) -> dict[str, Any]:
    made = {
        "name": entry.name,
        "type": 1,
        "description": _description(entry.descriptions, entry.name),
        "description_localizations": _localised(entry.descriptions, MOST_DESCRIPTION),
        "contexts": [_IN_SERVERS, _IN_PRIVATE],
        "integration_types": [0],
        "default_member_permissions": _MANAGERS if entry.role == "admin" else None,
        "options": [_option(option) for option in entry.options[:MOST_OPTIONS]],
    }
    names = {language: t(f"discord.command.{entry.name}") for language, t in _speakers(f"discord.command.{entry.name}")}
    if names:
        made["name_localizations"] = _localised(names, 32)
    return made


def _option(option: Option) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": option.name,
        "type": _TYPES[option.kind],
        "description": _description(option.descriptions, option.name),
        "description_localizations": _localised(option.descriptions, MOST_DESCRIPTION),
        "required": option.required,
    }
    if option.names:
        made["name_localizations"] = _localised(option.names, 32)
    if option.choices:
        made["choices"] = [{"name": choice, "value": choice} for choice in option.choices[:MOST_CHOICES]]
    elif option.completes:
        made["autocomplete"] = True
    if option.least is not None:
        made["min_value"] = int(option.least) if option.kind is not OptionKind.NUMBER else option.least
    if option.most is not None:
        made["max_value"] = int(option.most) if option.kind is not OptionKind.NUMBER else option.most
    return made


def _upload() -> dict[str, Any]:
    """Discord's own way to hand over a file. How much it takes is said before anybody chooses one."""
    descriptions = {language: t("discord.upload") for language, t in _speakers("discord.upload")}
    about = {language: t("discord.upload.file") for language, t in _speakers("discord.upload.file")}
    names = {language: t("discord.command.dataset") for language, t in _speakers("discord.command.dataset")}
    return {
        "name": UPLOAD,
        "type": 1,
        "description": _description(descriptions, UPLOAD),
        "description_localizations": _localised(descriptions, MOST_DESCRIPTION),
        "name_localizations": _localised(names, 32),
        "contexts": [_IN_SERVERS, _IN_PRIVATE],
        "integration_types": [0],
        "default_member_permissions": None,
        "options": [
            {
                "name": FILE,
                "type": _ATTACHMENT,
                "description": _description(about, FILE),
                "description_localizations": _localised(about, MOST_DESCRIPTION),
                "required": True,
            }
        ],
    }


def _speakers(key: str) -> list[tuple[str, Any]]:
    return [(language, t) for language in LANGUAGES if (t := translator(language)).has(key)]


def _description(texts: Mapping[str, str], fallback: str) -> str:
    return clipped(texts.get(DEFAULT_LANGUAGE) or fallback, MOST_DESCRIPTION)


def _localised(texts: Mapping[str, str], most: int) -> dict[str, str]:
    return {
        locale: clipped(text, most) for language, text in texts.items() for locale in LOCALES.get(language, ()) if text
    }
