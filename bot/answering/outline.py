"""Where the parts of a Markdown text lie: blocks to cut between, marked words to keep whole, fences and tables."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyromark

_MARKDOWN = pyromark.Markdown(
    options=pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
)
_INLINE = frozenset({"Emphasis", "Strong", "Strikethrough", "Link", "Image"})
_WHOLE = frozenset({"Code", "InlineMath", "DisplayMath", "InlineHtml"})
# Marked words longer than this are cut like any others: no page should end early for them.
_LONGEST_KEPT = 500
# An address that is no link of Markdown's is one for whoever shows it.
_ADDRESS = re.compile(r"https?://[!-;=?-~]+")
# An item's mark and blanks before a block; what stands there in a quote is its own.
_NOT_A_QUOTE = re.compile(r"[^\s>]")
# Further in than this, a block's first line is code of another kind.
_DEEPEST = 3
_TAB = 4


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block: its lines lie between ``content`` and ``end``; ``closed`` if its own fence ends it.

    ``indent`` stands before a line that closes it; ``lead`` before one that begins it anew, where its lines are
    ``width`` columns less far in.
    """

    begin: int
    content: int
    end: int
    indent: str
    marker: str
    info: str
    closed: bool
    lead: str
    width: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its head and the line under it end at ``body``, its rows at ``end``.

    ``lead`` stands before its lines where they begin anew, ``width`` columns less far in.
    """

    begin: int
    body: int
    end: int
    lead: str
    width: int


@dataclass(slots=True)
class Outline:
    """Positions are in characters. ``blocks`` are where blocks, items and rows begin; ``kept`` what stays whole;
    ``indented`` code that no fence marks.
    """

    blocks: list[int] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)
    indented: list[tuple[int, int]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def holds(self, at: int) -> bool:
        """Whether a cut here would part what belongs together."""
        index = bisect_left(self.kept, (at, 0)) - 1
        return index >= 0 and at < self.kept[index][1]

    def fence_at(self, at: int) -> Fence | None:
        """The code block whose lines a cut here would part."""
        for fence in self.fences:
            if fence.content <= at and (at < fence.end or (at == fence.end and not fence.closed)):
                return fence
        return None

    def table_at(self, at: int) -> Table | None:
        """The table whose rows a cut here would part."""
        for table in self.tables:
            if table.body <= at < table.end:
                return table
        return None


def outline(text: str) -> Outline:
    """The outline of a text."""
    found, tables = Outline(), []
    characters = _Characters(text)
    depth = 0
    for event, place in _MARKDOWN.events_with_range(text):
        begin, end = characters.at(place["start"]), characters.at(place["end"])
        kind, value = _kind(event)
        if kind == "Start":
            name, fields = _kind(value)
            if depth == 0 or name in ("Item", "TableRow"):
                found.blocks.append(begin)
            depth += name not in _INLINE
            if name in _INLINE and end - begin <= _LONGEST_KEPT:
                found.kept.append((begin, end))
            elif name == "CodeBlock" and isinstance(fields, dict):
                found.fences.append(_fence(text, begin, end, str(fields["Fenced"])))
            elif name == "CodeBlock":
                found.indented.append((begin, end))
            elif name == "Table":
                tables.append((begin, end))
            elif name == "TableRow":
                found.kept.append((begin, end))
        elif kind == "End":
            depth -= _kind(value)[0] not in _INLINE
        elif kind in _WHOLE:
            found.kept.append((begin, end))
    rows = sorted(begin for begin, _ in found.kept)
    for begin, end in tables:
        body = next((row for row in rows if begin < row < end and not _before(text, row).strip(" \t>")), end)
        found.tables.append(Table(begin, body, end, *_lead(_before(text, begin))))
        found.kept.append((begin, body))
    for fence in found.fences:
        found.kept.append((fence.begin, fence.content))
    addresses = (match.span() for match in _ADDRESS.finditer(text))
    found.kept += [(begin, end) for begin, end in addresses if end - begin <= _LONGEST_KEPT]
    found.kept = _merged(found.kept)
    return found


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, and none within or across another."""
    made: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if made and begin < made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((begin, end))
    return made


def _before(text: str, at: int) -> str:
    """What stands before a place in its line."""
    return text[text.rfind("\n", 0, at) + 1 : at]


def _lead(before: str) -> tuple[str, int]:
    """What to write before a block that begins anew, and how much less far in its lines are then.

    A quote goes on as a quote. An item's own mark would begin another item, and blanks without the item code.
    """
    if ">" in before:
        return _NOT_A_QUOTE.sub(" ", before), 0
    if not before.strip() and len(before.expandtabs(_TAB)) <= _DEEPEST:
        return before, 0
    return "", len(before.expandtabs(_TAB))


def _kind(event: Any) -> tuple[str, Any]:
    if isinstance(event, str):
        return event, None
    ((name, value),) = event.items()
    return str(name), value


def _fence(text: str, begin: int, end: int, info: str) -> Fence:
    before = _before(text, begin)
    first = text[begin:end].split("\n", 1)[0]
    sign = first[:1]
    marker = first[: len(first) - len(first.lstrip(sign))]
    content = min(begin + len(first) + 1, end)
    last = text[content:end].rstrip("\n").rsplit("\n", 1)[-1].strip(" \t>")
    closed = len(last) >= len(marker) and not last.strip(sign)
    return Fence(begin, content, end, _NOT_A_QUOTE.sub(" ", before), marker, info, closed, *_lead(before))


class _Characters:
    """Places in bytes as places in characters."""

    def __init__(self, text: str) -> None:
        self._plain = text.isascii()
        self._ends = [] if self._plain else list(_byte_offsets(text))

    def at(self, byte: int) -> int:
        return byte if self._plain else bisect_right(self._ends, byte) - 1


def _byte_offsets(text: str) -> Iterator[int]:
    offset = 0
    for character in text:
        yield offset
        code = ord(character)
        offset += 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
    yield offset
