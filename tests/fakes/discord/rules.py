"""What Discord refuses of messages, components and commands. Stricter in one thing: unknown fields are refused."""

import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.discord.errors import EMPTY, ApiError, invalid

MOST_CONTENT = 2000
EPHEMERAL, LOADING, SILENT, SUPPRESS_EMBEDS = 1 << 6, 1 << 7, 1 << 12, 1 << 2

_CREATE = frozenset(
    {
        "content", "nonce", "enforce_nonce", "tts", "embeds", "allowed_mentions", "message_reference", "components",
        "sticker_ids", "attachments", "flags", "poll",
    }
)  # fmt: skip
_EDIT = frozenset({"content", "embeds", "flags", "allowed_mentions", "components", "attachments"})
_FOLLOW = frozenset({"content", "tts", "embeds", "allowed_mentions", "components", "attachments", "flags", "poll"})
_EMBED = frozenset({"title", "type", "description", "url", "color", "fields", "footer", "image", "thumbnail", "author"})
_MENTIONS = frozenset({"parse", "users", "roles", "replied_user"})
_BUTTON = frozenset({"type", "id", "style", "label", "emoji", "custom_id", "url", "disabled"})
_SELECT = frozenset({"type", "id", "custom_id", "options", "placeholder", "min_values", "max_values", "disabled"})
_INPUT = frozenset({"type", "id", "custom_id", "style", "min_length", "max_length", "required", "value", "placeholder"})
_COMMAND = frozenset(
    {
        "name", "name_localizations", "description", "description_localizations", "options", "type", "contexts",
        "default_member_permissions", "integration_types", "nsfw", "dm_permission",
    }
)  # fmt: skip
_OPTION = frozenset(
    {
        "type", "name", "name_localizations", "description", "description_localizations", "required", "choices",
        "min_value", "max_value", "min_length", "max_length", "autocomplete",
    }
)  # fmt: skip
_NAME = re.compile(r"^[-_'\w]{1,32}$")
_LOCALES = frozenset({"en-US", "en-GB", "zh-CN", "zh-TW", "de", "fr", "ja", "ko"})


def _known(given: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise invalid(f"{path}.{unknown[0]}".lstrip("."), "This field is not known")


def _length(text: Any, least: int, most: int, path: str) -> None:
    if not isinstance(text, str) or not least <= len(text) <= most:
        raise invalid(path, f"Must be between {least} and {most} in length.")


def check_create(body: Mapping[str, Any], files: int) -> None:
    """A new message."""
    _known(body, _CREATE, "")
    if "nonce" in body and len(str(body["nonce"])) > 25:
        raise invalid("nonce", "Must be 25 or fewer in length.")
    if body.get("flags", 0) & ~(SUPPRESS_EMBEDS | SILENT):
        raise invalid("flags", "These flags cannot be set")
    _check_message(body, files)


def check_edit(body: Mapping[str, Any]) -> None:
    """The new face of a message."""
    _known(body, _EDIT, "")
    if body.get("flags", 0) & ~SUPPRESS_EMBEDS:
        raise invalid("flags", "These flags cannot be set")
    _check_parts(body)


def check_follow(body: Mapping[str, Any], files: int) -> None:
    """An answer to an interaction."""
    _known(body, _FOLLOW, "")
    if body.get("flags", 0) & ~(SUPPRESS_EMBEDS | SILENT | EPHEMERAL):
        raise invalid("flags", "These flags cannot be set")
    _check_message(body, files)


def _check_message(body: Mapping[str, Any], files: int) -> None:
    _check_parts(body)
    if not (str(body.get("content") or "").strip() or body.get("embeds") or body.get("components") or files):
        raise ApiError(*EMPTY)


def _check_parts(body: Mapping[str, Any]) -> None:
    content = body.get("content") or ""
    if not isinstance(content, str) or len(content) > MOST_CONTENT:
        raise invalid("content", f"Must be {MOST_CONTENT} or fewer in length.")
    embeds = body.get("embeds") or []
    if len(embeds) > 10:
        raise invalid("embeds", "Must be 10 or fewer in length.")
    for index, embed in enumerate(embeds):
        _check_embed(embed, f"embeds.{index}")
    if sum(len(embed.get("title", "")) + len(embed.get("description", "")) for embed in embeds) > 6000:
        raise invalid("embeds", "Embed size exceeds maximum size of 6000")
    mentions = body.get("allowed_mentions") or {}
    _known(mentions, _MENTIONS, "allowed_mentions")
    if "users" in mentions.get("parse", ()) and mentions.get("users"):
        raise invalid("allowed_mentions", "parse and users are mutually exclusive")
    check_components(body.get("components") or [])


def _check_embed(embed: Mapping[str, Any], path: str) -> None:
    _known(embed, _EMBED, path)
    if not embed.get("title") and not embed.get("description"):
        raise invalid(path, "An embed needs something to show")
    if "title" in embed:
        _length(embed["title"], 1, 256, f"{path}.title")
    if "description" in embed:
        _length(embed["description"], 1, 4096, f"{path}.description")


def check_components(rows: Any) -> None:
    """The rows under a message."""
    if not isinstance(rows, list) or len(rows) > 5:
        raise invalid("components", "Must be between 1 and 5 in length.")
    ids: list[str] = []
    for index, row in enumerate(rows):
        path = f"components.{index}"
        if set(row) != {"type", "components"} or row["type"] != 1:
            raise invalid(path, "Value of field type must be 1")
        inner = row["components"]
        selects = sum(each.get("type") == 3 for each in inner)
        if not 1 <= len(inner) <= (1 if selects else 5):
            raise invalid(path, "Must be between 1 and 5 in length.")
        ids += [_check_select(each, path) if each.get("type") == 3 else _check_button(each, path) for each in inner]
    if len(set(ids)) < len(ids):
        raise invalid("components", "Component custom id cannot be duplicated")


def _check_button(button: Mapping[str, Any], path: str) -> str:
    if button.get("type") != 2:
        raise invalid(path, "Value of field type must be one of (2, 3)")
    _known(button, _BUTTON, path)
    if button.get("style") not in (1, 2, 3, 4):
        raise invalid(f"{path}.style", "Value must be one of (1, 2, 3, 4)")
    _length(button.get("label"), 1, 80, f"{path}.label")
    _length(button.get("custom_id"), 1, 100, f"{path}.custom_id")
    return str(button["custom_id"])


def _check_select(select: Mapping[str, Any], path: str) -> str:
    _known(select, _SELECT, path)
    _length(select.get("custom_id"), 1, 100, f"{path}.custom_id")
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        raise invalid(f"{path}.options", "Must be between 1 and 25 in length.")
    for option in options:
        _known(option, frozenset({"label", "value", "description", "emoji", "default"}), f"{path}.options")
        _length(option.get("label"), 1, 100, f"{path}.options.label")
        _length(option.get("value"), 1, 100, f"{path}.options.value")
    if len({option["value"] for option in options}) < len(options):
        raise invalid(f"{path}.options", "The specified option value is already used")
    return str(select["custom_id"])


def check_modal(data: Mapping[str, Any]) -> None:
    """A form: labels around text inputs."""
    _known(data, frozenset({"custom_id", "title", "components"}), "data")
    _length(data.get("custom_id"), 1, 100, "data.custom_id")
    _length(data.get("title"), 1, 45, "data.title")
    if not 1 <= len(data.get("components") or []) <= 5:
        raise invalid("data.components", "Must be between 1 and 5 in length.")
    for label in data["components"]:
        if label.get("type") != 18:
            raise invalid("data.components", "Value of field type must be 18")
        _known(label, frozenset({"type", "id", "label", "description", "component"}), "data.components")
        _length(label.get("label"), 1, 45, "data.components.label")
        field = label["component"]
        _known(field, _INPUT, "data.components.component")
        if field.get("type") != 4 or field.get("style") not in (1, 2) or not 1 <= field.get("max_length", 4000) <= 4000:
            raise invalid("data.components.component", "not a text input")


def check_choices(data: Mapping[str, Any]) -> None:
    """What completes a word."""
    _known(data, frozenset({"choices"}), "data")
    if len(data["choices"]) > 25:
        raise invalid("data.choices", "Must be 25 or fewer in length.")
    for choice in data["choices"]:
        _known(choice, frozenset({"name", "value", "name_localizations"}), "data.choices")
        _length(choice.get("name"), 1, 100, "data.choices.name")
        if isinstance(choice.get("value"), str):
            _length(choice["value"], 1, 100, "data.choices.value")


def check_commands(commands: Any) -> None:
    """All slash commands of an application."""
    if not isinstance(commands, list) or len(commands) > 100:
        raise invalid("commands", "Maximum number of application commands reached")
    if len({command.get("name") for command in commands}) < len(commands):
        raise invalid("commands", "Application command names must be unique")
    for command in commands:
        name = str(command.get("name"))
        _known(command, _COMMAND, name)
        _check_named(command, name)
        if (
            command.get("default_member_permissions") is not None
            and not command["default_member_permissions"].isdigit()
        ):
            raise invalid(f"{name}.default_member_permissions", "a number as text")
        options = command.get("options") or []
        if len(options) > 25 or len({option["name"] for option in options}) < len(options):
            raise invalid(f"{name}.options", "Must be 25 or fewer in length, with names of their own.")
        required = [bool(option.get("required")) for option in options]
        if required != sorted(required, reverse=True):
            raise invalid(f"{name}.options", "Required options must be placed before non-required options")
        for option in options:
            _check_option(option, f"{name}.{option.get('name')}")


def _check_option(option: Mapping[str, Any], path: str) -> None:
    _known(option, _OPTION, path)
    _check_named(option, path)
    if option.get("type") not in (3, 4, 5, 10, 11):
        raise invalid(f"{path}.type", "Value must be one of the option types")
    if option.get("choices") and option.get("autocomplete"):
        raise invalid(f"{path}.autocomplete", "autocomplete and choices are mutually exclusive")
    if len(option.get("choices") or []) > 25:
        raise invalid(f"{path}.choices", "Must be 25 or fewer in length.")
    for bound in ("min_value", "max_value"):
        if bound in option and option["type"] not in (4, 10):
            raise invalid(f"{path}.{bound}", "only for numbers")
        if bound in option and option["type"] == 4 and not isinstance(option[bound], int):
            raise invalid(f"{path}.{bound}", "a whole number")


def _check_named(thing: Mapping[str, Any], path: str) -> None:
    for names in ({"": thing.get("name")}, thing.get("name_localizations") or {}):
        for locale, name in names.items():
            if locale and locale not in _LOCALES:
                raise invalid(f"{path}.name_localizations", f"{locale} is no locale")
            if not isinstance(name, str) or not _NAME.match(name) or name != name.lower():
                raise invalid(f"{path}.name", f"Command name is invalid: {name}")
    _length(thing.get("description"), 1, 100, f"{path}.description")
    for locale, text in (thing.get("description_localizations") or {}).items():
        if locale not in _LOCALES:
            raise invalid(f"{path}.description_localizations", f"{locale} is no locale")
        _length(text, 1, 100, f"{path}.description_localizations.{locale}")
