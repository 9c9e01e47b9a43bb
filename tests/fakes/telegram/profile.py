"""What the bot shows of itself: commands per scope and language, descriptions per language."""

import re
from typing import Any

from tests.fakes.telegram.parameters import Parameters, language_of
from tests.fakes.telegram.refusals import bad, parsed
from tests.fakes.telegram.world import World

MOST_COMMANDS = 100
MOST_SHORT_DESCRIPTION = 120
MOST_DESCRIPTION = 512
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
# The kinds of scopes, and what else each must have.
SCOPES: dict[str, tuple[str, ...]] = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


class Profile:
    """Sets and reads them in a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def set_commands(self, p: Parameters) -> bool:
        """``setMyCommands``."""
        commands = parsed(p["commands"], "commands")
        if len(commands) > MOST_COMMANDS:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not _COMMAND.fullmatch(command["command"]):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self._world.commands[_scope(p), language_of(p)] = commands
        return True

    def delete_commands(self, p: Parameters) -> bool:
        """``deleteMyCommands``: the next wider scope is shown again."""
        self._world.commands.pop((_scope(p), language_of(p)), None)
        return True

    def get_commands(self, p: Parameters) -> list[dict[str, str]]:
        """``getMyCommands``: exactly what was set, without falling back."""
        return self._world.commands.get((_scope(p), language_of(p)), [])

    def describe(self, p: Parameters, what: str, most: int) -> bool:
        """``setMyDescription`` and ``setMyShortDescription``."""
        if len(p.get(what, "")) > most:
            raise bad("description is too long")
        self._world.descriptions[what, language_of(p)] = p.get(what, "")
        return True


def _scope(p: Parameters) -> str:
    scope: dict[str, Any] = parsed(p["scope"], "scope") if "scope" in p else {"type": "default"}
    kind = scope.get("type")
    if kind not in SCOPES:
        raise bad("can't parse BotCommandScope: unsupported type specified")
    needed = SCOPES[kind]
    if set(scope) != {"type", *needed}:
        raise bad("can't parse BotCommandScope: wrong fields")
    return ":".join([kind, *(str(scope[name]) for name in needed)])


def menu_of(world: World, language: str, *, private: bool, admin: bool = False) -> list[str]:
    """The commands that somebody sees, found in the documented order of scopes; of each the language first."""
    scopes = ["all_private_chats"] if private else ["all_chat_administrators"] * admin + ["all_group_chats"]
    for scope in [*scopes, "default"]:
        for code in (language, ""):
            if (scope, code) in world.commands:
                return [command["command"] for command in world.commands[scope, code]]
    return []
