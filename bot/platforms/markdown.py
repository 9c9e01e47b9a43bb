"""What platforms read alike in a model's Markdown: where its code and its tables are, and a table as aligned lines."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import pyromark

_OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
_WORDS = frozenset({"Text", "Code", "InlineHtml"})
_BROKEN_FENCE = "`\u200b``"
# Columns of the same width that a phone shows, and between two columns of a table.
_WIDEST, _GAP = 44, 2
_RULE = 12
_SPACE = re.compile(r"\s+")
_CELL_TOKEN = re.compile(r"\\.|(?P<ticks>`+)|(?P<bar>\|)")


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a text in UTF-8 bytes. ``before`` stands before it in its line; ``table``: it is one, else code."""

    begin: int
    end: int
    before: str
    table: bool


def regions(data: bytes) -> list[Region]:
    """Code blocks, code spans and tables of a text in UTF-8, in order; none is within another."""
    found: list[Region] = []
    for event, place in pyromark.events_with_range(data.decode(), options=_OPTIONS):
        name, value = _kind(event)
        kind = _kind(value)[0] if name == "Start" else name
        begin, end = place["start"], place["end"]
        if kind in ("Table", "CodeBlock", "Code") and name != "End" and not (found and begin < found[-1].end):
            before = data[data.rfind(b"\n", 0, begin) + 1 : begin].decode()
            found.append(Region(begin, end, before, kind == "Table"))
    return found


def aligned(table: str, rule: str) -> str:
    """A table's rows as lines whose columns stand under each other, a line of ``rule`` under its head; where these
    lines were wider than a phone, each row by itself, a line for each of its cells.

    Cells are as they are read: marks are left out, an address stands behind its label. A bar in a code span parts no
    cells, and a row may have more cells than the head: models write both.
    """
    rows = _read([_cells(line) for line in table.strip("\n").split("\n")])
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    if sum(widths) + _GAP * (len(widths) - 1) > _WIDEST and len(rows) > 1:
        return _records(rows, rule).replace("```", _BROKEN_FENCE)
    gap = " " * _GAP
    lines = [gap.join(cell + " " * (widths[at] - width(cell)) for at, cell in enumerate(row)).rstrip() for row in rows]
    lines.insert(1, gap.join(rule * each for each in widths))
    return "\n".join(lines).replace("```", _BROKEN_FENCE)


def _records(rows: list[list[str]], rule: str) -> str:
    head, *others = rows
    records = (
        [f"{name}: {cell}".rstrip() if name else cell for name, cell in zip(head, row, strict=True) if name or cell]
        for row in others
    )
    return f"\n{rule * _RULE}\n".join("\n".join(record) for record in records)


def width(text: str) -> int:
    """Columns that a text takes where every character has the same width, or two of them."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
        for character in text
    )


def _cells(line: str) -> list[str]:
    """The cells of a row as they are written, bars within them escaped."""
    row = line.strip().removeprefix("|")
    cells, at = [""], 0
    while (match := _CELL_TOKEN.search(row, at)) is not None:
        cells[-1] += row[at : match.start()]
        at = match.end()
        if match["bar"]:
            cells.append("")
            continue
        closing = match["ticks"] and re.compile(rf"(?<!`){match['ticks']}(?!`)").search(row, at)
        if closing:
            inside = row[match.start() : closing.end()]
            at = closing.end()
            cells[-1] += re.sub(r"(?<!\\)\|", r"\|", inside)
        else:
            cells[-1] += match[0]
    cells[-1] += row[at:]
    return cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells


def _read(written: list[list[str]]) -> list[list[str]]:
    """Every row's cells as people read them, all rows of one length; without the line under the head."""
    del written[1:2]
    columns = max(len(row) for row in written)
    lines = [
        "|" + "|".join(f" {cell.strip()} " for cell in [*row, *[""] * (columns - len(row))]) + "|" for row in written
    ]
    lines.insert(1, "|" + "---|" * columns)
    rows: list[list[str]] = []
    links: list[tuple[str, int]] = []
    for event, _ in pyromark.events_with_range("\n".join(lines), options=_OPTIONS):
        name, value = _kind(event)
        if name == "Start":
            kind, fields = _kind(value)
            if kind in ("TableHead", "TableRow"):
                rows.append([])
            elif kind == "TableCell":
                rows[-1].append("")
            elif kind in ("Link", "Image"):
                links.append((str(fields["dest_url"]), len(rows[-1][-1])))
        elif name == "End" and _kind(value)[0] in ("Link", "Image"):
            address, begin = links.pop()
            label = rows[-1][-1][begin:]
            rows[-1][-1] += "" if address in (label, f"mailto:{label}") else f" ({address})" if label else address
        elif name in _WORDS:
            rows[-1][-1] += value
    return [[_SPACE.sub(" ", cell).strip() for cell in row] for row in rows]


def _kind(event: Any) -> tuple[str, Any]:
    if isinstance(event, str):
        return event, None
    ((name, value),) = event.items()
    return str(name), value
