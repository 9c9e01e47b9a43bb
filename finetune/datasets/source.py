"""A file as rows: unpacked, decoded to UTF-8, its container and shape recognised by content."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finetune.datasets import archives
from finetune.datasets.elements import elements
from finetune.datasets.encoding import Encoding, recognise, to_utf8
from finetune.datasets.findings import shown
from finetune.datasets.formats import DatasetFormat
from finetune.datasets.lines import MAX_ROW_BYTES, Row, lines
from finetune.datasets.sniff import format_of, objects_in, refuse_binary, shape_of
from finetune.datasets.style import COMPACT, Style, style_of
from finetune.datasets.tables import Table, binary_table, delimiter_of, text_table
from finetune.errors import DatasetError
from finetune.progress import Moved, nobody

CHUNK = 1 << 20
_HEAD = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """What a file was understood as, and its rows, to be read once.

    ``name``: the file's name as people know it (that of the member, if it came in an archive). ``container``: jsonl,
    json, csv, tsv, xlsx, xls or parquet; ``archive``: gz, zip or nothing. ``lines_of``: the file whose lines the rows
    are, byte for byte, where they are messages and that is so; ``style``: how the canonical form is spelled.
    """

    name: str
    archive: str
    container: str
    encoding: Encoding
    format: DatasetFormat
    rows: Iterator[Row]
    size: int
    lines_of: BinaryIO | None
    style: Style


@contextmanager
def opened(file: Path, name: str, folder: Path, reading: str | None = None, moved: Moved = nobody) -> Iterator[Source]:
    """A file's rows. ``folder`` takes what has to be unpacked; ``reading`` names the format where several fit.

    ``moved`` is told how much of a text, unpacked, has been read.

    Raises :class:`DatasetError` for what is no dataset at all, and ``dataset_ambiguous``.
    """
    with archives.opened(file, name, folder) as content:
        yield _recognised(content, reading, moved)


def _recognised(content: archives.Content, reading: str | None, moved: Moved) -> Source:
    head = _head(content.file)
    content.file.seek(0)
    encoding = Encoding("utf-8")
    table = binary_table(content.file, head)
    beginning = b""
    rest: Iterator[bytes] = iter(())
    if table is None:
        encoding = recognise(head)
        if not encoding.has_nul_bytes:
            refuse_binary(head)
        content.file.seek(0)
        rest = to_utf8(_chunks(content.file, moved), encoding)
        beginning = _beginning(rest)
        table = _text_table(beginning, rest, reading)
    if table is not None:
        container, rows, shape = table.container, table.rows, format_of(table.sample, reading=reading)
    else:
        found = shape_of(beginning, whole=len(head) < _HEAD, reading=reading)
        container, shape = found.container, found.format
        text = _joined(beginning, rest)
        rows = elements(text) if container == "json" else lines(text)
    size = os.fstat(content.file.fileno()).st_size
    as_they_are = container == "jsonl" and shape.rows_are_messages and not encoding.converts
    file, style = (content.file, style_of(beginning)) if as_they_are else (None, COMPACT)
    return Source(content.name, content.archive, container, encoding, shape, rows, size, file, style)


def _head(file: BinaryIO) -> bytes:
    """The first bytes, and the first piece after them that is not all ASCII (within the longest row)."""
    head = file.read(_HEAD)
    length = len(head)
    piece = head
    while piece.isascii() and length < MAX_ROW_BYTES and (piece := file.read(CHUNK)):
        length += len(piece)
    return head if piece is head else head + piece


def _chunks(file: BinaryIO, moved: Moved) -> Iterator[bytes]:
    done, size = 0, os.fstat(file.fileno()).st_size
    while chunk := file.read(CHUNK):
        yield chunk
        done += len(chunk)
        moved(done, size)


def _beginning(chunks: Iterator[bytes]) -> bytes:
    """Text enough to tell what the file is: the first rows, or one whole row when the first is long."""
    text = b""
    for chunk in chunks:
        text += chunk
        if len(text) > MAX_ROW_BYTES or (len(text) >= _HEAD // 2 and b"\n" in text.strip()):
            break
    return text


def _joined(beginning: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield beginning
    yield from rest


def _text_table(beginning: bytes, rest: Iterator[bytes], reading: str | None) -> Table | None:
    """The table in a text, when its first rows are of a known shape or at least surely a table."""
    delimiter = delimiter_of(beginning)
    if delimiter is None:
        return None
    start = text_table(iter([beginning.rsplit(b"\n", 1)[0]]), delimiter)
    try:
        format_of(start.sample, reading=reading)
    except DatasetError as error:
        if error.code != "dataset_unknown_format":
            raise
        if objects_in(beginning.split(b"\n")):
            return None  # lines of JSON after some that are none
        second = beginning.lstrip().split(b"\n", 2)[1:2]
        if second and delimiter.encode() in second[0] and start.sample:
            columns = shown(", ".join(start.sample[0]), 80) or "–"
            raise DatasetError("table_columns", kind=start.container.upper(), columns=columns) from error
        return None
    return text_table(_joined(beginning, rest), delimiter) if start.sample else None
