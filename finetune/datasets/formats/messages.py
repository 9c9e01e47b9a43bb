"""Chat messages: ``{"messages": [{"role": …, "content": …}, …]}``, what the providers take."""

from collections.abc import Mapping
from typing import Any

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.formats.common import ROLE_CONTENT, dropped_in_messages, dropped_keys, says_from_and_value
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
        """Any object with ``messages``, unless they speak as ShareGPT's do."""
        return "messages" in row and not says_from_and_value(row["messages"])

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
        problems += dropped_in_messages(messages, ROLE_CONTENT)
        kept = [{"role": message["role"], "content": message["content"]} for message in messages]
        problems += warnings_of(kept)
        return Reading(problems, kept)

    def rough(self, value: Any) -> list[Any] | None:
        """The list of messages."""
        messages = value.get("messages") if isinstance(value, dict) else None
        return messages if isinstance(messages, list) else None
