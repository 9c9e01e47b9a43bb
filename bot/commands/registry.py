"""Commands and button actions: what exists, who may use it, and which one a text means."""

import difflib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat.content import MenuEntry
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.options import options
from bot.commands.typing import INVISIBLE, normalise
from bot.locales import LANGUAGES, translator
from bot.services.access import Role

Handler = Callable[[Context, str], Awaitable[None]]
ActionHandler = Callable[[Context, Mapping[str, Any]], Awaitable[Ack | None]]

_COMMAND = re.compile(r"^/([a-zA-Z][a-zA-Z0-9]*(?:_[a-zA-Z0-9]+)*)(?:\s+|$)(.*)$", re.DOTALL)
_HEAD = re.compile(rf"^[\s{INVISIBLE}]*(\S*)(\s*)(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """``/name arguments``. Its help is the sentence ``command.<name>``. With ``item``, ``/name_12`` means it too:
    the handler is given what stands after the underscore. One that is ``beside`` the line may take minutes: what the
    same chat sends meanwhile does not wait for it. What is ``personal`` is answered for the eyes of whoever asked.
    """

    name: str
    role: Role
    handler: Handler
    arguments: str = ""
    item: bool = False
    listed: bool = True
    beside: bool = False
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What a button may do."""

    name: str
    role: Role
    handler: ActionHandler


class Registry:
    """All commands and actions."""

    def __init__(self, commands: Iterable[Command], actions: Iterable[Action]) -> None:
        self.commands = {command.name: command for command in commands}
        self.actions = {action.name: action for action in actions}

    def find(self, text: str) -> tuple[Command | None, str, str] | None:
        """(command, its arguments, the word typed) for a text that begins with a slash; None for any other.

        The command is None if there is no such one.
        """
        parts = _HEAD.match(text)
        assert parts is not None  # it fits every text
        head, between, rest = parts.groups()
        # Only the command's name is made plain: what is asked stays as it was written.
        match = _COMMAND.match(normalise(head) + between + rest)
        if match is None:
            return None
        word, rest = match.group(1).lower(), match.group(2).strip()
        if word in self.commands:
            return self.commands[word], rest, word
        name, _, item = word.partition("_")
        command = self.commands.get(name)
        if command is not None and command.item and item:
            return command, f"{item} {rest}".strip(), word
        return None, rest, word

    def nearest(self, word: str) -> str | None:
        """The command that somebody may have meant."""
        near = difflib.get_close_matches(word.split("_")[0], self.commands, 1, 0.6)
        return near[0] if near else None

    def menu(self) -> list[MenuEntry]:
        """For the platforms' own menus and completion."""
        known = options()
        return [
            MenuEntry(
                command.name,
                command.role.word,
                command.arguments,
                {language: translator(language)(f"command.{command.name}") for language in LANGUAGES},
                known.get(command.name, ()),
                command.personal,
            )
            for command in self.commands.values()
            if command.listed
        ]
