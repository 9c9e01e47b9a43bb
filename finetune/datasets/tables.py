"""Tables as rows of JSON: CSV, TSV, XLSX and Parquet, each read by the library made for it.

A row of a table becomes one JSON object of its named columns, so that formats and rules are the same for all. Line
numbers are those that the person sees: the line of the text, the row of the sheet, the number of the record.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO

import orjson

from finetune.datasets.findings import Problem, shown
from finetune.datasets.lines import MAX_ROW_BYTES, TOO_LONG, Row
from finetune.errors import DatasetError

_PARQUET = b"PAR1"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS = {",": "csv", "\t": "tsv", ";": "csv"}
_HEADER_CHARACTERS = 4096
_BATCH = 500
_SAMPLE = 20
# Columns that other tools fill with JSON, because a table has no lists.
_NESTED = ("messages", "conversations", "conversation", "history")


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows, and the first of them as objects, to tell what they are."""

    container: str
    rows: Iterator[Row]
    sample: Sequence[Mapping[str, Any]]


def binary_table(file: BinaryIO, head: bytes) -> Table | None:
    """The table in a workbook or a Parquet file; nothing when it is neither.

    Raises :class:`DatasetError` for one that is broken, encrypted or empty, or when the library for it is missing.
    """
    if head.startswith(_PARQUET):
        return _sampled("parquet", _parquet(file))
    if head.startswith((_OLE, b"PK\x03\x04")):
        return _sampled("xls" if head.startswith(_OLE) else "xlsx", _sheet(file))
    return None


def delimiter_of(beginning: bytes) -> str | None:
    """What separates the columns of a text that may be a table; nothing when its first line has only one."""
    first = beginning.lstrip(b"\r\n").split(b"\n", 1)[0][:_HEADER_CHARACTERS].decode("utf-8", "replace")
    first = first.replace("\r", " ")
    if not first or first[0] in "[{":
        return None
    widths = {delimiter: len(next(csv.reader([first], delimiter=delimiter), [])) for delimiter in _DELIMITERS}
    best = max(widths, key=lambda delimiter: widths[delimiter])
    return best if widths[best] > 1 else None


def text_table(chunks: Iterable[bytes], delimiter: str) -> Table:
    """The table in a UTF-8 text whose first row names the columns."""
    return _sampled(_DELIMITERS[delimiter], _delimited(chunks, delimiter))


def _sampled(container: str, rows: Iterator[Row]) -> Table:
    first = list(islice(rows, _SAMPLE))
    sample = [orjson.loads(content) for _, _, content in first if isinstance(content, bytes)]
    return Table(container, chain(first, rows), sample)


def _delimited(chunks: Iterable[bytes], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_BYTES)
    # Bytes that are no UTF-8 become lone surrogates, which JSON cannot hold: their row gets a finding.
    reader = csv.reader(_text_lines(chunks), delimiter=delimiter)
    header: list[str] | None = None
    number = 0
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = _header(cells)
                continue
            number += 1
            yield start, number, _object(header, cells)
    except csv.Error:
        yield line, number + 1, TOO_LONG


def _text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends, as the library wants them: a quoted line end is part of its cell."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            # The library takes a carriage return on its own for the end of a line that nobody sees.
            yield (line.removesuffix(b"\r").replace(b"\r", b" ") + b"\n").decode("utf-8", "surrogateescape")
        if len(rest) > MAX_ROW_BYTES:
            raise csv.Error("line too long")
    if rest:
        yield rest.replace(b"\r", b" ").decode("utf-8", "surrogateescape")


def _sheet(file: BinaryIO) -> Iterator[Row]:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(file.read()))
        sheet = next(
            (found for name in workbook.sheet_names if (found := workbook.get_sheet_by_name(name)).total_height), None
        )
        if sheet is None:
            raise DatasetError("dataset_empty")
        header: list[str] | None = None
        number = 0
        for line, cells in enumerate(sheet.to_python(skip_empty_area=False), 1):
            texts = [_cell(cell) for cell in cells]
            if not any(texts):
                continue
            if header is None:
                header = _header(texts)
                continue
            number += 1
            yield line, number, _object(header, texts)
    except PasswordError as error:
        raise DatasetError("table_encrypted") from error
    except (CalamineError, ValueError) as error:
        raise DatasetError("table_broken", kind="Excel") from error


def _cell(value: object) -> str:
    """A sheet's value as its text: whole numbers without a point, days without a midnight."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value).removesuffix(" 00:00:00")


def _parquet(file: BinaryIO) -> Iterator[Row]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError("parquet_missing") from error
    try:
        table = parquet.ParquetFile(file)
        _header(table.schema_arrow.names)
        number = 0
        for batch in table.iter_batches(_BATCH, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield number, number, _packed({key: _plain(value) for key, value in row.items() if value is not None})
    except (arrow.ArrowException, OSError) as error:
        raise DatasetError("table_broken", kind="Parquet") from error


def _plain(value: object) -> object:
    """A column's value as JSON has it. A field that its record does not have is no field."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().strip("\ufeff") for cell in cells]
    while names and not names[-1]:
        names.pop()
    twice = next((name for index, name in enumerate(names) if name and name in names[:index]), None)
    if twice is not None:
        raise DatasetError("table_column_twice", column=shown(twice, 40))
    return names


def _object(header: Sequence[str], cells: Sequence[str]) -> bytes | Problem:
    while len(cells) > len(header) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) > len(header):
        return Problem("cells_too_many", None, {"cells": str(len(cells)), "columns": str(len(header))})
    row = {name: _nested(name, cell) for name, cell in zip(header, cells, strict=False) if name}
    return _packed(row)


def _nested(name: str, cell: str) -> object:
    if name.lower() in _NESTED and cell.lstrip()[:1] in ("[", "{"):
        try:
            return orjson.loads(cell)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return cell
    return cell


def _packed(row: Mapping[str, object]) -> bytes | Problem:
    try:
        content = orjson.dumps(row)
    except (TypeError, orjson.JSONEncodeError):
        return Problem("cell_bad_text")
    return content if len(content) <= MAX_ROW_BYTES else TOO_LONG
