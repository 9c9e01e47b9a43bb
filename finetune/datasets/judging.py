"""One pass over a file: rows in, report and canonical form out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from finetune.datasets.archives import Content, opened
from finetune.datasets.blocks import Blocks
from finetune.datasets.copying import Canonical
from finetune.datasets.elements import elements
from finetune.datasets.encoding import Encoding, recognise, to_utf8
from finetune.datasets.findings import Finding, Problem, shown
from finetune.datasets.formats import DatasetFormat, Message, Messages
from finetune.datasets.lines import MAX_ROW_BYTES, lines
from finetune.datasets.report import Report
from finetune.datasets.sniff import format_of, refuse_binary, shape_of
from finetune.datasets.style import COMPACT, style_of
from finetune.datasets.tables import Table, binary_table, delimiter_of, text_table
from finetune.datasets.tally import ROW_BITS, Tally
from finetune.datasets.tokens import TokenCounter
from finetune.errors import DatasetError

FEW_ROWS = 10
CHUNK = 1 << 20
# Smaller files are judged row by row: what looks at whole blocks takes as long to be imported as that does.
BLOCKS_FROM = 8 << 20
_HEAD = 1 << 18
_PIECE = 16 << 20


def judge(source: Path, canonical: Path, *, tokenizer: Path | None = None, name: str | None = None) -> Report:
    """Judge ``source`` and write its canonical form, synced, to ``canonical`` (complete only if the report is ok).

    ``name`` is the file's name as people know it. Raises :class:`DatasetError` for what is no dataset at all.
    """
    _keep_memory()
    with opened(source, name or source.name, canonical.parent) as content, canonical.open("wb") as out:
        run = _Run(content, out, tokenizer)
        report = run.report()
        out.flush()
        os.fsync(out.fileno())
    return report


def _keep_memory() -> None:
    """Have the allocator keep what is freed: fetching it again for every block costs more than judging it.

    To glibc a large piece that is freed tells how large the pieces are that will be wanted again.
    """
    del_me = bytearray(_PIECE)
    del del_me


class _Run:
    """The state of one pass."""

    def __init__(self, content: Content, out: BinaryIO, tokenizer: Path | None) -> None:
        self._content = content
        head = _head(content.file)
        content.file.seek(0)
        table = binary_table(content.file, head)
        if table is None:
            self.encoding: Encoding = recognise(head)
            if not self.encoding.has_nul_bytes:
                refuse_binary(head)
            content.file.seek(0)
            self._chunks = to_utf8(_chunks(content.file), self.encoding)
            beginning = self._beginning()
            table = self._text_table(beginning)
        else:
            self.encoding = Encoding("utf-8")
        if table is not None:
            self.container, self._found = table.container, table.rows
            self.format: DatasetFormat = format_of(table.sample)
        else:
            shape = shape_of(beginning, whole=len(head) < _HEAD)
            self.container, self.format = shape.container, shape.format
            text = self._with(beginning)
            self._found = elements(text) if shape.container == "json" else lines(text)
        # Blocks are read by their place in the file, so it has to be the text itself.
        plain = self.container == "jsonl" and self.format.name == Messages.name and not self.encoding.converts
        self._by_blocks = plain and tokenizer is None
        self._style = style_of(beginning) if plain else COMPACT
        self._tally = Tally(Canonical(out.fileno(), os.fstat(content.file.fileno()).st_size))
        self._tokens = TokenCounter(tokenizer) if tokenizer else None
        self._windows_line: int | None = None

    def _beginning(self) -> bytes:
        """Text enough to tell what the file is: the first rows, or one whole row when the first is long."""
        text = b""
        for chunk in self._chunks:
            text += chunk
            if len(text) > MAX_ROW_BYTES or (len(text) >= _HEAD // 2 and b"\n" in text.strip()):
                break
        return text

    def _text_table(self, beginning: bytes) -> Table | None:
        """The table in a text, when its first rows are of a known shape or at least surely a table."""
        delimiter = delimiter_of(beginning)
        if delimiter is None:
            return None
        start = text_table(iter([beginning.rsplit(b"\n", 1)[0]]), delimiter)
        try:
            format_of(start.sample)
        except DatasetError as error:
            if error.code != "dataset_unknown_format":
                raise
            second = beginning.lstrip().split(b"\n", 2)[1:2]
            if second and delimiter.encode() in second[0] and start.sample:
                columns = shown(", ".join(start.sample[0]), 80) or "–"
                raise DatasetError("table_columns", kind=start.container.upper(), columns=columns) from error
            return None
        return text_table(self._with(beginning), delimiter) if start.sample else None

    def _with(self, beginning: bytes) -> Iterator[bytes]:
        yield beginning
        yield from self._chunks

    def report(self) -> Report:
        """Judge all rows."""
        if self._by_blocks and os.fstat(self._content.file.fileno()).st_size >= BLOCKS_FROM:
            self._judge_blocks()
        else:
            for line, row, content in self._found:
                self._judge(line, row, content)
        self._tally.canonical.finish()
        self._judge_file(self._content.name)
        return self._report()

    def _judge(self, line: int, row: int | None, content: bytes | Problem) -> None:
        if isinstance(content, Problem):
            # Between the elements of an array something may be wrong that is no row.
            self._tally.rows += content.code in ("too_long", "array_unclosed", "cells_too_many", "cell_bad_text")
            self._tally.ledger.add(content, line, row)
            return
        messages = self.format.quick(content)
        if messages is None:
            reading = self.format.careful(content)
            for problem in reading.problems:
                self._tally.ledger.add(problem, line, row)
            messages = reading.messages
            if messages is None:
                self._tally.rows += not any(problem.code == "blank_line" for problem in reading.problems)
                return
        self._tally.rows += 1
        if self._windows_line is None and content.endswith(b"\r"):
            self._windows_line = line
        self._keep(messages, line << ROW_BITS | (row or 0))

    def _judge_blocks(self) -> None:
        # Its import takes longer than a small file.
        from finetune.datasets.bulk import judge_blocks

        blocks = Blocks(self._content.file.fileno(), self.encoding.mark)
        judge_blocks(blocks, self._style, self._tally, lambda line, content: self._judge(line, None, content))

    def _keep(self, messages: list[Message], place: int) -> None:
        canonical = self._style.row(messages)
        self._tally.fingerprints.add(canonical[:-1], place)
        characters = self._tally.statistics.add(messages)
        if self._tokens is not None:
            self._tokens.add(messages, len(canonical), characters)
        if not self._tally.ledger.errors:
            self._tally.canonical.write(canonical)

    def _judge_file(self, name: str) -> None:
        add = self._tally.ledger.add
        if self.encoding.mark and not self.encoding.converts:
            literal = self.container == "jsonl" and self.format.rows_are_messages
            add(Problem("byte_order_mark" if literal else "mark_taken_off"), 1)
        if self.encoding.converts:
            add(Problem("converted_text", None, {"encoding": self.encoding.name.upper()}), 1)
        if self._windows_line is not None:
            add(Problem("windows_lines"), self._windows_line)
        ending = name.rsplit(".", 1)[-1].lower() if "." in name else ""
        if ending == "json" and self.container == "jsonl":
            add(Problem("json_holds_lines"), 1)
        if ending in ("jsonl", "ndjson") and self.container == "json":
            add(Problem("lines_hold_json"), 1)
        if 0 < self._tally.statistics.rows < FEW_ROWS:
            add(Problem("few_rows", None, {"rows": str(self._tally.statistics.rows)}), 1)
        if (variety := self._tally.statistics.prompt_variety) > 1:
            add(Problem("system_varies", None, {"prompts": str(variety)}), 1)
        if not self._tally.rows:
            raise DatasetError("dataset_empty")

    def _duplicates(self) -> int:
        count = 0
        row_mask = (1 << ROW_BITS) - 1
        for place, earlier in self._tally.fingerprints.duplicates():
            count += 1
            row, first_row = place & row_mask, earlier & row_mask
            code, first = ("duplicate_row", first_row) if row else ("duplicate", earlier >> ROW_BITS)
            self._tally.ledger.add(Problem(code, None, {"first": str(first)}), place >> ROW_BITS, row or None)
        return count

    def _report(self) -> Report:
        duplicates = self._duplicates()
        statistics = self._tally.statistics
        tokens, longest = self._tokens.result() if self._tokens else (None, None)
        findings: tuple[Finding, ...] = self._tally.ledger.findings()
        return Report(
            format=self.format.name,
            container=".".join(filter(None, (self.container, self._content.archive))),
            encoding=self.encoding.name,
            rows=self._tally.rows,
            good_rows=statistics.rows,
            turns=statistics.turns,
            characters=statistics.characters,
            tokens=tokens,
            longest_tokens=longest,
            exact_duplicates=duplicates,
            system_prompts=statistics.system_prompts,
            languages=statistics.languages,
            length_histogram=tuple(statistics.histogram),
            findings=findings,
            findings_total=self._tally.ledger.total,
            by_rule=self._tally.ledger.by_rule,
            notes=self.format.notes,
        )


def _head(file: BinaryIO) -> bytes:
    """The first bytes, or as many as it takes to meet one that is not ASCII (within the longest row)."""
    head = file.read(_HEAD)
    while head.isascii() and len(head) < MAX_ROW_BYTES and (more := file.read(CHUNK)):
        head += more
    return head


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
