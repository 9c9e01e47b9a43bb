"""What a file is, from its beginning: the container, the shape of the rows, or why it is not taken.

Content decides, never the name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from finetune.datasets.elements import elements
from finetune.datasets.findings import Problem, shown
from finetune.datasets.formats import FORMATS, DatasetFormat
from finetune.errors import DatasetError

LOOKED_AT = 20  # rows
# Of each reading that somebody has to choose from.
SAMPLES = 2
SAMPLE_CHARACTERS = 160

_ARCHIVES = (
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "rar"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_ARROW = b"ARROW1"
_MESSAGE_LISTS = ("messages", "conversations", "conversation")
_PREFERENCES = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"), ("chosen", "prompt"))
_TOOL_KEYS = ("tools", "tool_calls", "functions", "function_call")
_TOOL_ROLES = ("tool", "function", "function_call", "observation")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the file is understood as."""

    container: str
    format: DatasetFormat


def refuse_binary(head: bytes) -> None:
    """Raise :class:`DatasetError` for what is no text at all. ``head``: the first bytes as they came."""
    for mark, kind in _ARCHIVES:
        if head.startswith(mark):
            raise DatasetError("dataset_archive", kind=kind)
    if head.startswith(_ARROW):
        raise DatasetError("dataset_table", kind="Arrow")
    piece = head[:4096]
    odd = len(piece.translate(None, bytes(range(32, 256)) + b"\t\n\r\f\x1b"))
    if odd * 20 > len(piece) or head.startswith((b"%PDF-", b"GGUF", b"\x89PNG", b"\xff\xd8\xff")):
        raise DatasetError("dataset_binary")


def shape_of(head: bytes, *, whole: bool, reading: str | None = None) -> Shape:
    """The shape of a text that begins with ``head`` (UTF-8). Raises :class:`DatasetError` when there is none."""
    text = head.lstrip(b" \t\r\n")
    if not text:
        raise DatasetError("dataset_empty")
    first = text.split(b"\n", 1)[0].strip()
    if text[:1] == b"[" and not (_complete(first) and text[len(first) :].strip()):
        rows = objects_in(row for _, _, row in elements(iter([text])))
        return Shape("json", format_of(rows, text, reading=reading))
    rows = objects_in(text.split(b"\n"))
    if not rows:
        _refuse_other(text, first, whole=whole)
    return Shape("jsonl", format_of(rows, text, reading=reading))


def _complete(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def objects_in(rows: Iterable[bytes | Problem]) -> list[dict[str, Any]]:
    """The first objects that can be read."""
    found: list[dict[str, Any]] = []
    for tried, row in enumerate(rows):
        if len(found) == LOOKED_AT or tried == LOOKED_AT * 10:
            break
        if isinstance(row, bytes) and row.strip().startswith(b"{"):
            try:
                value = orjson.loads(row)
            except orjson.JSONDecodeError:
                continue
            found.append(value)
    return found


def format_of(rows: Sequence[Mapping[str, Any]], text: bytes = b"", *, reading: str | None = None) -> DatasetFormat:
    """The format of a file's first rows; ``reading`` chooses where several fit.

    Raises :class:`DatasetError` for what cannot be trained on, and ``dataset_ambiguous`` where somebody has to choose.
    """
    formats = [make() for make in FORMATS.values()]
    if not rows:
        # Nothing can be read; what its keys say decides who finds the words for it.
        return next((found for found in formats if found.matches(_words(text))), formats[0])
    _refuse_kinds(rows)
    counts = [sum(found.matches(row) for row in rows) for found in formats]
    # What fits half of the rows is a possible reading of the file; else there is one that fits the most.
    fitting = [found for found, count in zip(formats, counts, strict=True) if count * 2 >= len(rows)]
    if not fitting and max(counts):
        fitting = [formats[counts.index(max(counts))]]
    if reading is not None and (chosen := next((found for found in fitting if found.name == reading), None)):
        return chosen
    if len(fitting) > 1:
        raise DatasetError("dataset_ambiguous", readings=[_reading(found, rows) for found in fitting])
    if fitting:
        return fitting[0]
    if len(rows) == 1 and (inside := [key for key, value in rows[0].items() if _is_rows(value)]):
        raise DatasetError("dataset_nested", key=shown(inside[0], 30))
    raise DatasetError("dataset_unknown_format", keys=shown(", ".join(rows[0]), 80) or "–")


def _reading(found: DatasetFormat, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A way to read the file, with what becomes of its first rows that way."""
    conversations = (found.careful(orjson.dumps(row)).messages for row in rows)
    samples = [
        [
            {"role": message["role"], "content": shown(" ".join(message["content"].split()), SAMPLE_CHARACTERS)}
            for message in messages
        ]
        for messages in islice(filter(None, conversations), SAMPLES)
    ]
    return {"name": found.name, "samples": samples}


def _words(text: bytes) -> dict[str, None]:
    return {word.decode(): None for word in re.findall(rb"[\"']([A-Za-z_]{1,20})[\"']\s*:", text[: 1 << 16])}


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _most(rows: Sequence[Mapping[str, Any]], test: Any) -> bool:
    return sum(bool(test(row)) for row in rows) * 2 >= len(rows)


def _refuse_kinds(rows: Sequence[Mapping[str, Any]]) -> None:
    if _most(rows, lambda row: any(all(key in row for key in pair) for pair in _PREFERENCES)):
        raise DatasetError("dataset_preference")
    if _most(rows, _has_tools):
        raise DatasetError("dataset_tools")


def _has_tools(row: Mapping[str, Any]) -> bool:
    if any(row.get(key) for key in _TOOL_KEYS):
        return True
    for key in _MESSAGE_LISTS:
        messages = row.get(key)
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and (
                any(message.get(key) for key in _TOOL_KEYS) or message.get("role", message.get("from")) in _TOOL_ROLES
            ):
                return True
    return False


def _refuse_other(text: bytes, first: bytes, *, whole: bool) -> None:
    """No line of the beginning is an object: raise when that is because the text is of another kind."""
    if text[:1] == b"{":
        if first != b"{":
            return  # objects, all broken: the judge says how
        value = _first_object(text)
        inside = [key for key, rows in value.items() if _is_rows(rows) and key != "messages"]
        if inside:
            raise DatasetError("dataset_nested", key=shown(inside[0], 30))
        if b'"' in text:
            raise DatasetError("dataset_pretty")
        return
    for separator, kind in ((b"\t", "TSV"), (b",", "CSV"), (b";", "CSV")):
        second = text.split(b"\n", 2)[1:2]
        if separator in first and (not whole or (second and separator in second[0])):
            raise DatasetError("dataset_table", kind=kind)
    raise DatasetError("dataset_plain_text")


def _first_object(text: bytes) -> dict[str, Any]:
    for _, _, row in elements([b"[", text, b"]"]):
        if isinstance(row, bytes):
            try:
                value = orjson.loads(row)
            except orjson.JSONDecodeError:
                break
            return value if isinstance(value, dict) else {}
        break
    match = re.match(rb'\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*\[\s*\{', text)
    return {match[1].decode("utf-8", "replace"): [{}]} if match else {}
