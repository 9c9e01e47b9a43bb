"""Alpaca: ``instruction``, ``output``, and perhaps ``input``, ``system`` and ``history``; the same by other names.

The input is joined to the instruction by a newline and is the user's message together with it; the pairs of the
history come before, the system text first of all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.findings import Problem, kind_of
from finetune.datasets.formats.common import (
    dropped_keys,
    has_only,
    not_object,
    optional_text_problems,
    rough_pair,
    text_problems,
)
from finetune.datasets.formats.format import Message, Reading
from finetune.datasets.judge import MAX_PROBLEMS, is_suspicious, warnings_of

NEEDED = ("instruction", "output")
# The usual names, and those under which other sets have the same two columns.
SPELLINGS = (NEEDED, ("instruction", "response"), ("query", "response"))
OTHERS = ("input", "system", "history")
WATCHED = (*NEEDED, *OTHERS)
_ALL = tuple(dict.fromkeys((*(key for spelling in SPELLINGS for key in spelling), *OTHERS)))


class Alpaca:
    """Instructions with their outputs."""

    name = "alpaca"
    rows_are_messages = False

    def __init__(self) -> None:
        self._joined = self._remembered = self._system = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of the columns that were met."""
        met = (
            ("alpaca_input_joined", self._joined),
            ("alpaca_history_first", self._remembered),
            ("system_taken", self._system),
        )
        return ("alpaca_converted", *(note for note, is_met in met if is_met))

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Any object with an instruction and an output, by one of their names."""
        return any(all(key in row for key in spelling) for spelling in SPELLINGS)

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages when nothing has to be said."""
        try:
            value = orjson.loads(row)
            strings = len(value)
            for key, item in value.items():
                if type(item) is str and key in WATCHED:
                    strings += 1
                elif key == "history" and type(item) is list:
                    for pair in item:
                        question, answer = pair
                        if type(pair) is not list or type(question) is not str or type(answer) is not str:
                            return None
                    strings += len(item) * 2
                elif item is not None or key not in WATCHED or key in NEEDED:
                    return None
            if type(value.get("history")) is str or not has_only(row, strings):
                return None
            messages = _conversation(value, NEEDED)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return None
        if any(is_suspicious(message["content"]) for message in messages):
            return None
        self._note(value)
        return messages

    def careful(self, row: bytes) -> Reading:
        """Every problem of the row."""
        try:
            decoded = decode(row, _ALL)
        except Unreadable as error:
            return Reading([error.problem])
        value, problems = decoded.value, decoded.problems
        if not isinstance(value, dict):
            return Reading([*problems, not_object(value)])
        spelling = _spelling(value)
        problems += text_problems(value, spelling)
        problems += optional_text_problems(value, ("input", "system"))
        problems += _in_history(value.get("history"))
        if any(problem.is_error for problem in problems):
            return Reading(problems[:MAX_PROBLEMS])
        messages = _conversation(value, spelling)
        self._note(value)
        return Reading([*problems, *dropped_keys(value, (*spelling, *OTHERS)), *warnings_of(messages)], messages)

    def rough(self, value: Any) -> list[Any] | None:
        """The instruction and the output, as far as they are there."""
        return rough_pair(value, *_spelling(value)) if isinstance(value, dict) else None

    def _note(self, value: Mapping[str, Any]) -> None:
        self._joined |= bool(value.get("input"))
        self._remembered |= bool(value.get("history"))
        self._system |= bool(value.get("system"))


def _in_history(history: object) -> Iterator[Problem]:
    if history is None:
        return
    if not isinstance(history, list):
        yield Problem("value_not_list", None, {"key": "history", "kind": kind_of(history)})
        return
    for number, pair in enumerate(history):
        if not isinstance(pair, list) or len(pair) != 2:
            kind = f"array[{len(pair)}]" if isinstance(pair, list) else kind_of(pair)
            yield Problem("history_not_pair", None, {"key": f"history[{number}]", "kind": kind})
        else:
            texts = {f"history[{number}][{at}]": text for at, text in enumerate(pair)}
            yield from text_problems(texts, texts)


def _spelling(value: Mapping[str, Any]) -> tuple[str, str]:
    """The names of which most are there, the usual ones first."""
    return max(SPELLINGS, key=lambda spelling: sum(key in value for key in spelling))


def _conversation(value: Mapping[str, Any], spelling: tuple[str, str]) -> list[Message]:
    turns = [text for pair in value.get("history") or () for text in pair]
    # Some sets leave the instruction empty and ask in the input alone.
    turns.append("\n".join(text for text in (value[spelling[0]], value.get("input")) if text))
    turns.append(value[spelling[1]])
    messages = [{"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(turns)]
    system = value.get("system")
    return [{"role": "system", "content": system}, *messages] if system else messages
