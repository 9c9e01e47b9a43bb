"""What several shapes need: texts under keys, keys that are left out, and a quick look for repeated keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from finetune.datasets.findings import Problem, kind_of, shown

FROM_VALUE = ("from", "value")
ROLE_CONTENT = ("role", "content")


def not_object(value: object) -> Problem:
    """For a row that is no object."""
    return Problem("not_object", None, {"kind": kind_of(value)})


def keys_of(value: Mapping[str, Any]) -> str:
    """The keys that are there, for a reason that says which is not."""
    return shown(", ".join(value)) or "–"


def text_problems(value: Mapping[str, Any], keys: Iterable[str], message: int | None = None) -> Iterator[Problem]:
    """What is wrong with keys that have to be there, with text."""
    for key in keys:
        if key not in value:
            yield Problem("value_missing", message, {"key": key, "keys": keys_of(value)})
        elif not isinstance(value[key], str):
            yield Problem("value_not_text", message, {"key": key, "kind": kind_of(value[key])})


def optional_text_problems(value: Mapping[str, Any], keys: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with keys that may be absent or null: exports of tables write null where a cell is empty."""
    return text_problems(value, [key for key in keys if value.get(key) is not None])


def dropped_keys(row: Mapping[str, Any], known: Sequence[str]) -> list[Problem]:
    """A warning when the row has keys beside the known ones."""
    extra = [key for key in row if key not in known]
    return [Problem("extra_keys", None, {"keys": shown(", ".join(extra))})] if extra else []


def dropped_in_messages(messages: Sequence[Mapping[str, Any]], known: Sequence[str]) -> list[Problem]:
    """A warning when messages have keys beside the known ones, at the first that has."""
    extra: dict[str, int] = {}
    for index, message in enumerate(messages):
        for key in message:
            if key not in known:
                extra.setdefault(key, index)
    if not extra:
        return []
    return [Problem("extra_message_keys", min(extra.values()), {"keys": shown(", ".join(extra))})]


def rough_pair(value: Mapping[str, Any], question: str, answer: str) -> list[dict[str, Any]]:
    """Question and answer as messages, without what a row lacks."""
    named = (("user", question), ("assistant", answer))
    return [{"role": role, "content": value[key]} for role, key in named if key in value]


def dialect_of(turns: object) -> tuple[str, str]:
    """The two keys by which most of the turns name the speaker and the text."""
    objects = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    here, there = (sum(key in turn for turn in objects for key in keys) for keys in (FROM_VALUE, ROLE_CONTENT))
    return ROLE_CONTENT if there > here else FROM_VALUE


def says_from_and_value(turns: object) -> bool:
    """Whether turns name speaker and text as ShareGPT does."""
    objects = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    return any(key in turn for turn in objects for key in FROM_VALUE) and dialect_of(objects) == FROM_VALUE


def has_only(row: bytes, strings: int) -> bool:
    """Whether the text of a row has exactly as many strings as its value, keys included; False when in doubt.

    The parser keeps the last of two equal keys. The other one's quotes still stand in the text, however the key is
    written.
    """
    quotes = row.count(b'"')
    if quotes != strings * 2:
        # Without an escaped backslash, a backslash before a quote can only escape that quote.
        return b"\\\\" not in row and quotes - row.count(b'\\"') == strings * 2
    return True
