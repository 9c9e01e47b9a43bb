"""The terminal's language, and how its commands end."""

import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import click
import uvloop

from bot.chat.errors import UserError
from bot.commands.desk import problem
from bot.locales import DEFAULT_LANGUAGE, Translator, language_of, translator
from bot.settings import Settings, SettingsError, read
from finetune.errors import FineTuneError
from storage.database import DatabaseProblem
from storage.lock import FolderInUse

Result = TypeVar("Result")


def terminal_language() -> str:
    """Chinese or English, by the usual variables."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return language_of(value) or DEFAULT_LANGUAGE
    return DEFAULT_LANGUAGE


def words() -> Translator:
    """The translator of the terminal."""
    return translator(terminal_language())


def say(key: str, /, **fields: object) -> str:
    """A sentence in the terminal's language."""
    return words()(key, **fields)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why on standard error and end."""
    click.secho(message, err=True, fg="red")
    sys.exit(code)


def settings() -> Settings:
    """The settings; ends with every problem named when they cannot be used."""
    try:
        return read()
    except SettingsError as error:
        lines = [say(f"error.{key}", name=name, **fields) for name, key, fields in error.problems]
        fail("\n".join(lines), 2)


def perform(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work; what a person may be told becomes one sentence and exit status 1."""
    try:
        return uvloop.run(work)
    except UserError as error:
        fail(problem(words(), error))
    except FineTuneError as error:
        fail(problem(words(), error))
    except FolderInUse as error:
        fail(say("error.folder_in_use", folder=str(error.folder), pid=error.pid or "?"))
    except DatabaseProblem as error:
        fail(say("error.database", reason=str(error)))
    except KeyboardInterrupt:
        sys.exit(130)
