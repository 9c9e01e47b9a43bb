"""One JSON object from the bytes of a row, strictly, with everything that is wrong with its text.

This is the slow and clear way, taken when the fast one does not say "valid". Numbers are never converted: an
integer of a million digits is valid JSON, and nobody here needs its value.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from finetune.datasets.findings import Problem, shown

MAX_DEPTH = 64

_TOKEN = re.compile(r'"(?>[^"\\]+|\\.)*+"?|[\[\]{}]', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_WHITE = " \t\r\n"
_LONG = 1 << 18  # characters above which Python's syntax is not read only to be sure: it takes much memory
_PYTHON_WORDS = ("True", "False", "None")


class Unreadable(Exception):
    """The row is no JSON at all."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(slots=True)
class Decoded:
    """A row's value, and what is wrong with its text although it could be read."""

    value: Any
    problems: list[Problem] = field(default_factory=list)


def decode(row: bytes, watched: Collection[str]) -> Decoded:
    """Read a row. ``watched``: keys that must not stand twice in one object. Raises :class:`Unreadable`."""
    text = _text(row)
    if _depth_exceeds(text, MAX_DEPTH):
        raise Unreadable(Problem("too_deep", None, {"limit": str(MAX_DEPTH)}))
    repeated: dict[str, None] = {}
    constants: dict[str, None] = {}

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.update((key, None) for key in watched if counts[key] > 1)
        return value

    def as_constant(name: str) -> float:
        constants[name] = None
        return 0.0

    decoder = json.JSONDecoder(
        object_pairs_hook=as_object, parse_constant=as_constant, parse_int=_no_number, parse_float=_no_number
    )
    begin = len(text) - len(text.lstrip(_WHITE))
    try:
        value, end = decoder.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise Unreadable(_syntax(text, _worst(text, begin, error))) from None
    rest = text[end:].lstrip(_WHITE)
    if rest:
        raise Unreadable(_after(rest))
    problems = [Problem("not_a_number", None, {"piece": name}) for name in constants]
    problems += [Problem("duplicate_key", None, {"key": key}) for key in repeated]
    if _ESCAPED_SURROGATE.search(text) and (piece := _half_character(value)) is not None:
        problems.append(Problem("lone_surrogate", None, {"piece": shown(piece)}))
    return Decoded(value, problems)


def _no_number(_text: str) -> float:
    return 0.0


def _text(row: bytes) -> str:
    try:
        text = row.decode("utf-8")
    except UnicodeDecodeError as error:
        piece = row[max(0, error.start - 20) : error.start].decode("utf-8", "replace")
        fields = {"byte": f"0x{row[error.start]:02X}", "position": str(error.start + 1), "piece": shown(piece)}
        raise Unreadable(Problem("bad_text", None, fields)) from None
    if not text.strip(_WHITE):
        raise Unreadable(Problem("blank_line"))
    if text.lstrip(_WHITE).startswith("\ufeff"):
        raise Unreadable(Problem("byte_order_mark"))
    return text


def _depth_exceeds(text: str, limit: int) -> bool:
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for match in _TOKEN.finditer(text):
        mark = match[0]
        if mark in ("[", "{"):
            depth += 1
            if depth > limit:
                return True
        elif mark in ("]", "}"):
            depth -= 1
    return False


def _half_character(value: object) -> str | None:
    """The first string that holds half a surrogate pair."""
    for text in _strings(value):
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                return text[max(0, error.start - 10) : error.start + 10]
    return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def _worst(text: str, begin: int, error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Control characters have a mend; what is wrong beside them may have none, and is what to say then."""
    if error.msg.startswith("Invalid control character"):
        lenient = json.JSONDecoder(strict=False, parse_int=_no_number, parse_float=_no_number)
        try:
            lenient.raw_decode(text, begin)
        except json.JSONDecodeError as other:
            return other
    return error


def _syntax(text: str, error: json.JSONDecodeError) -> Problem:
    at = error.pos
    if error.msg.startswith("Unterminated string") or at >= len(text.rstrip(_WHITE)):
        return Problem("incomplete", None, {"piece": shown(text.rstrip(_WHITE)[-30:])})
    piece = {"piece": shown(text[max(0, at - 15) : at + 25])}
    around = {**piece, "position": str(at + 1)}
    if error.msg.startswith("Invalid control character"):
        return Problem("control_character", None, {**around, "byte": f"0x{ord(text[at]):02X}"})
    # Python's versions differ in where they place the error of a trailing comma.
    tail = text[at:].lstrip(_WHITE + ",")[:1]
    if tail in ("]", "}") and (text[at] == "," or text[:at].rstrip(_WHITE).endswith(",")):
        return Problem("trailing_comma", None, piece)
    if (text[at] == "'" or text.startswith(_PYTHON_WORDS, at)) and _is_python(text):
        return Problem("python_quotes", None, piece)
    return Problem("not_json", None, around)


def _is_python(text: str) -> bool:
    """Whether it is as Python prints an object, so that it can be read and mended."""
    if len(text) > _LONG:
        return True
    try:
        python_value(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def python_value(text: str) -> dict[Any, Any] | list[Any]:
    """A dictionary or a list as Python prints it. Raises what :func:`ast.literal_eval` does for anything else."""
    import ast  # few files need it

    value = ast.literal_eval(text.strip())
    if not isinstance(value, dict | list):
        raise ValueError("no object")
    return value


def _after(rest: str) -> Problem:
    fields = {"piece": shown(rest)}
    if rest[0] == "{":
        return Problem("two_objects", None, fields)
    if not rest.strip(_WHITE + ","):
        return Problem("trailing_comma", None, fields)
    return Problem("text_after", None, fields)
