"""ShareGPT: ``conversations`` of ``from`` and ``value``, and its dialects: the keys of messages in the same list, and
a list of pairs ``{"human": …, "assistant": …}``.

The turns become messages and are judged as messages; what is found names the keys of the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.findings import Problem, kind_of
from finetune.datasets.formats.common import (
    FROM_VALUE,
    ROLE_CONTENT,
    dialect_of,
    dropped_in_messages,
    dropped_keys,
    has_only,
    keys_of,
    optional_text_problems,
    says_from_and_value,
    text_problems,
)
from finetune.datasets.formats.format import Message, Reading
from finetune.datasets.judge import is_suspicious, problems_of, warnings_of

LISTS = ("conversations", "conversation", "messages")
PAIR = ("human", "assistant")
WATCHED = (*LISTS, "system", *FROM_VALUE, *ROLE_CONTENT, *PAIR)
SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "system": "system",
}
# Findings that name a key of a message; the position of that key in the dialect.
_NAMING = {
    "role_missing": 0,
    "role_not_text": 0,
    "content_missing": 1,
    "content_null": 1,
    "content_not_text": 1,
    "content_parts": 1,
}


class ShareGPT:
    """Conversations by speaker."""

    name = "sharegpt"
    rows_are_messages = False

    def __init__(self) -> None:
        self._system = False
        self._usual = LISTS[0]  # the list's key in the rows so far

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of the turns, and of a system text beside them."""
        return ("sharegpt_converted", "system_taken") if self._system else ("sharegpt_converted",)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Any object with conversations by turns, and messages in which somebody is ``from``."""
        for key in LISTS[:2]:
            if key in row:
                return True
        return says_from_and_value(row.get("messages"))

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages when nothing has to be said."""
        try:
            value = orjson.loads(row)
            key = next(key for key in LISTS if key in value)
            turns = value[key]
            if type(turns) is not list or len(value) != 1 + ("system" in value):
                return None
            by, says = ROLE_CONTENT if "role" in turns[0] else FROM_VALUE
            messages: list[Message] = []
            expected = "user"
            strings = len(value) + 4 * len(turns)
            system = value.get("system")
            if type(system) is str:
                strings += 1
            elif system is not None:
                return None
            if system:
                if is_suspicious(system):
                    return None
                messages.append({"role": "system", "content": system})
            elif turns[0][by] == "system":
                expected = "system"
            for turn in turns:
                content = turn[says]
                if (
                    len(turn) != 2
                    or SPEAKERS.get(turn[by]) != expected
                    or type(content) is not str
                    or is_suspicious(content)
                ):
                    return None
                messages.append({"role": expected, "content": content})
                expected = "assistant" if expected == "user" else "user"
            if messages[-1]["role"] != "assistant" or not has_only(row, strings):
                return None
        except (orjson.JSONDecodeError, StopIteration, KeyError, IndexError, TypeError, AttributeError):
            return None
        self._usual = key
        self._system |= bool(system)
        return messages

    def careful(self, row: bytes) -> Reading:
        """Every problem of the row."""
        try:
            decoded = decode(row, WATCHED)
        except Unreadable as error:
            return Reading([error.problem])
        value, problems = decoded.value, decoded.problems
        if not isinstance(value, dict):
            return Reading(problems + problems_of(value))
        problems += optional_text_problems(value, ("system",))
        key = next((key for key in LISTS if key in value), None)
        turns = value.get(key) if key else None
        if key is None:
            problems.append(Problem("turns_missing", None, {"key": self._usual, "keys": keys_of(value)}))
        elif not isinstance(turns, list):
            problems.append(Problem("value_not_list", None, {"key": key, "kind": kind_of(turns)}))
        elif not turns:
            problems.append(Problem("turns_empty", None, {"key": key}))
        if key is None or not isinstance(turns, list) or not turns:
            return Reading(problems)
        turns = _unpaired(turns)
        dialect = dialect_of(turns)
        system = value.get("system")
        before = [{"role": "system", "content": system}] if system and isinstance(system, str) else []
        messages = [*before, *(_as_message(turn, dialect) for turn in turns)]
        problems += _in_turns(problems_of({"messages": messages}), turns, dialect, len(before))
        if any(problem.is_error for problem in problems):
            return Reading(problems)
        self._usual = key
        self._system |= bool(before)
        problems += dropped_keys(value, (key, "system"))
        problems += dropped_in_messages(turns, dialect)
        kept = [{"role": message["role"], "content": message["content"]} for message in messages]
        problems += _in_turns(list(warnings_of(kept)), turns, dialect, len(before))
        return Reading(problems, kept)

    def rough(self, value: Any) -> list[Any] | None:
        """The turns as messages."""
        turns = next((value[key] for key in LISTS if key in value), None) if isinstance(value, dict) else None
        if not isinstance(turns, list):
            return None
        system = value.get("system")
        before = [{"role": "system", "content": system}] if system and isinstance(system, str) else []
        turns = _unpaired(turns)
        return [*before, *(_as_message(turn, dialect_of(turns)) for turn in turns)]


def _unpaired(turns: list[Any]) -> list[Any]:
    """Pairs as turns; turns as they are."""
    if not any(isinstance(turn, dict) and PAIR[0] in turn and PAIR[1] in turn for turn in turns):
        return turns
    found: list[Any] = []
    for pair in turns:
        if not isinstance(pair, dict):
            found.append(pair)
            continue
        others = {key: item for key, item in pair.items() if key not in PAIR}
        found += [
            {"from": speaker, "value": pair[name], **(others if name == PAIR[0] else {})}
            for name, speaker in zip(PAIR, ("human", "gpt"), strict=True)
            if name in pair
        ]
    return found


def _as_message(turn: Any, dialect: tuple[str, str]) -> Any:
    if not isinstance(turn, dict):
        return turn
    if dialect == ROLE_CONTENT:
        speaker = turn.get("role")
        return {**turn, "role": SPEAKERS.get(speaker, speaker)} if isinstance(speaker, str) else turn
    message = {key: item for key, item in turn.items() if key not in ROLE_CONTENT}
    message |= {ours: turn[theirs] for ours, theirs in zip(ROLE_CONTENT, dialect, strict=True) if theirs in turn}
    if isinstance(speaker := message.get("role"), str):
        message["role"] = SPEAKERS.get(speaker, speaker)
    return message


def _in_turns(
    problems: Sequence[Problem], turns: Sequence[Any], dialect: tuple[str, str], before: int
) -> Iterator[Problem]:
    """The problems of messages as those of the turns: by their index in the row, and by the names of its keys."""
    for problem in problems:
        index = None if problem.message is None or problem.message < before else problem.message - before
        if index is not None and dialect != ROLE_CONTENT and problem.code in _NAMING:
            yield from text_problems(turns[index], [dialect[_NAMING[problem.code]]], index)
        else:
            yield Problem(problem.code, index, problem.fields)
