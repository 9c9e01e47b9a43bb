"""Chat messages: ``{"messages": [{"role": …, "content": …}, …]}``, what the providers take."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.findings import Problem, shown
from finetune.datasets.formats.format import Message, Reading
from finetune.datasets.judge import is_suspicious, problems_of, warnings_of

WATCHED = ("messages", "role", "content")
_USUAL = (b'{"messages": [{"role"', b'{"messages":[{"role"')


class Messages:
    """The rules' own shape."""

    name = "messages"
    rows_are_messages = True
    notes: tuple[str, ...] = ()

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Any object with ``messages``."""
        return "messages" in row

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages when nothing has to be said."""
        try:
            value = orjson.loads(row)
            if len(value) != 1:
                return None
            messages: list[Message] = value["messages"]
            first = messages[0]
            expected = "user"
            if first["role"] == "system":
                expected = "system"
            for message in messages:
                role, content = message.values()
                if (
                    role != expected
                    or message["role"] is not role
                    or message["content"] is not content
                    or type(content) is not str
                    or is_suspicious(content)
                ):
                    return None
                expected = "assistant" if expected == "user" else "user"
            if expected == "assistant" or messages[-1]["role"] != "assistant" or type(messages) is not list:
                return None
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError, AttributeError):
            return None
        # The last of two equal keys wins in this parser: each must stand in the text as often as in the value. A
        # second "messages" would bring "role"s of its own where the text begins with a first message. Keys may be
        # written with escapes; such a row is for the careful way.
        if (
            row.count(b'"role"') != len(messages)
            or row.count(b'"content"') != len(messages)
            or not (row.startswith(_USUAL) or row.count(b'"messages"') == 1)
            or (b"\\u00" in row and (b"\\u006" in row or b"\\u007" in row))
        ):
            return None
        return messages

    def careful(self, row: bytes) -> Reading:
        """Every problem of the row."""
        try:
            decoded = decode(row, WATCHED)
        except Unreadable as error:
            return Reading([error.problem])
        problems = decoded.problems + problems_of(decoded.value)
        if any(problem.is_error for problem in problems):
            return Reading(problems)
        messages = decoded.value["messages"]
        problems += dropped_keys(decoded.value, WATCHED[:1])
        problems += _dropped_in_messages(messages)
        kept = [{"role": message["role"], "content": message["content"]} for message in messages]
        problems += warnings_of(kept)
        return Reading(problems, kept)


def dropped_keys(row: Mapping[str, Any], known: Sequence[str]) -> list[Problem]:
    """A warning when the row has keys beside the known ones."""
    extra = [key for key in row if key not in known]
    return [Problem("extra_keys", None, {"keys": shown(", ".join(extra))})] if extra else []


def _dropped_in_messages(messages: Sequence[Mapping[str, Any]]) -> list[Problem]:
    extra: dict[str, int] = {}
    for index, message in enumerate(messages):
        for key in message:
            if key not in ("role", "content"):
                extra.setdefault(key, index)
    if not extra:
        return []
    return [Problem("extra_message_keys", min(extra.values()), {"keys": shown(", ".join(extra))})]
