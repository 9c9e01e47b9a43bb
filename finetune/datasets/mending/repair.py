"""Text that is almost JSON, made JSON. Each repair does one thing, and only what its finding said."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from finetune.datasets.decode import python_value

_BOM = "\ufeff"
_WHITE = " \t\r\n"
_STRING_OR_COMMA = re.compile(r'"(?>[^"\\]+|\\.)*+"|,(\s*)(?=[}\]])', re.DOTALL)


def repaired(row: bytes, code: str) -> list[bytes] | None:
    """The row or rows that a row becomes when the finding ``code`` is put right; None when that cannot be done."""
    repair = REPAIRS.get(code)
    if repair is None:
        return None
    try:
        return repair(row)
    except (ValueError, SyntaxError, RecursionError, MemoryError, orjson.JSONEncodeError):
        return None


def _nothing(_row: bytes) -> list[bytes]:
    return []


def _without_mark(row: bytes) -> list[bytes]:
    return [row.decode().replace(_BOM, "", 1).encode()]


def _read_leniently(row: bytes) -> list[bytes]:
    """Control characters are escaped, what is no number becomes null, half a character becomes U+FFFD."""
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_int=_zero, parse_float=_zero)
    return [_dumped(decoder.decode(row.decode()))]


def _zero(_text: str) -> int:
    # Numbers are no part of a conversation; one of a million digits must not be converted.
    return 0


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(_whole(value), ensure_ascii=False).encode()


def _whole(value: Any) -> Any:
    """The same without halves of surrogate pairs."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _without_comma(row: bytes) -> list[bytes]:
    text = row.decode().strip(_WHITE)
    while text.endswith(","):
        text = text[:-1].rstrip(_WHITE)
    return [_STRING_OR_COMMA.sub(lambda found: found[0] if found[1] is None else found[1], text).encode()]


def _from_python(row: bytes) -> list[bytes]:
    """A dictionary as Python prints it."""
    return [_dumped(python_value(row.decode()))]


def _apart(row: bytes) -> list[bytes]:
    """Objects that stand on one line, one by one."""
    text = row.decode()
    decoder = json.JSONDecoder(strict=False, parse_int=_zero, parse_float=_zero)
    rows, begin = [], 0
    while begin < len(text):
        begin += len(text[begin:]) - len(text[begin:].lstrip(_WHITE + ","))
        if begin == len(text):
            break
        _, end = decoder.raw_decode(text, begin)
        rows.append(text[begin:end].encode())
        begin = end
    return rows


def _wrapped(row: bytes) -> list[bytes]:
    return [b'{"messages": ' + row.strip() + b"}"]


REPAIRS: Mapping[str, Callable[[bytes], list[bytes]]] = {
    "blank_line": _nothing,
    "byte_order_mark": _without_mark,
    "control_character": _read_leniently,
    "lone_surrogate": _read_leniently,
    "not_a_number": _read_leniently,
    "trailing_comma": _without_comma,
    "python_quotes": _from_python,
    "two_objects": _apart,
    "bare_messages": _wrapped,
}
