"""One pass over a file: rows in, report and canonical form out."""

import os
from pathlib import Path
from typing import BinaryIO

from finetune.datasets.blocks import Blocks
from finetune.datasets.copying import Canonical
from finetune.datasets.findings import Finding, Problem
from finetune.datasets.formats import DatasetFormat, Message
from finetune.datasets.report import Report
from finetune.datasets.source import Source, opened
from finetune.datasets.tally import LINE_AT, RESPELLED, ROW_AT, ROW_BITS, Tally
from finetune.errors import DatasetError
from finetune.progress import Moved, nobody

FEW_ROWS = 10
# Smaller files are judged row by row: what looks at whole blocks takes as long to be imported as that does.
BLOCKS_FROM = 8 << 20
# Of smaller ones the second process would have little to do.
TOGETHER_FROM = 32 << 20
_PIECE = 16 << 20


def judge(
    source: Path,
    canonical: Path,
    *,
    name: str | None = None,
    reading: str | None = None,
    processes: int = 1,
    moved: Moved = nobody,
) -> Report:
    """Judge ``source`` and write its canonical form, synced, to ``canonical`` (complete only if the report is ok).

    ``name`` is the file's name as people know it, ``reading`` the format to read it as where several fit. With two
    ``processes`` a second one helps with large files; no other threads may run then. ``moved`` is told how far it is.
    Raises :class:`DatasetError` for what is no dataset at all, and ``dataset_ambiguous`` where somebody has to choose.
    """
    _keep_memory()
    with opened(source, name or source.name, canonical.parent, reading, moved) as content, canonical.open("wb") as out:
        run = _Run(content, out, processes, moved)
        report = run.report()
        out.flush()
        os.fsync(out.fileno())
    return report


def _keep_memory() -> None:
    """Have the allocator keep what is freed: fetching it again for every block costs more than judging it.

    To glibc a large piece that is freed tells how large the pieces are that will be wanted again.
    """
    piece = bytes(_PIECE)  # of zeros that nobody has written yet
    del piece


class _Run:
    """The state of one pass."""

    def __init__(self, source: Source, out: BinaryIO, processes: int, moved: Moved) -> None:
        self._source = source
        self._moved = moved
        self._processes = processes
        self.format: DatasetFormat = source.format
        self._tally = Tally(Canonical(out.fileno(), source.size))
        self._windows_line: int | None = None

    def report(self) -> Report:
        """Judge all rows."""
        if self._source.lines_of and self._source.size >= BLOCKS_FROM:
            self._judge_blocks(self._source.lines_of)
        else:
            for line, row, content in self._source.rows:
                self._judge(line, row, content)
        self._tally.canonical.finish()
        self._judge_file()
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
        self._keep(messages, line << LINE_AT | (row or 0) << ROW_AT | RESPELLED)

    def _judge_blocks(self, file: BinaryIO) -> None:
        # Its import takes longer than a small file.
        from finetune.datasets.bulk import judge_blocks

        blocks = Blocks(file.fileno(), self._source.encoding.mark)
        judge_blocks(
            blocks,
            self._source.style,
            self._tally,
            lambda line, content: self._judge(line, None, content),
            self._canonical_again,
            self._moved,
            together=self._processes > 1 and self._source.size >= TOGETHER_FROM,
        )

    def _canonical_again(self, content: bytes) -> bytes:
        """The canonical form of a good row, once more."""
        messages = self.format.quick(content) or self.format.careful(content).messages
        assert messages
        return self._source.style.row(messages)[:-1]

    def _keep(self, messages: list[Message], place: int) -> None:
        canonical = self._source.style.row(messages)
        self._tally.fingerprints.add(canonical[:-1], place)
        self._tally.statistics.add(messages)
        if not self._tally.ledger.errors:
            self._tally.canonical.write(canonical)

    def _judge_file(self) -> None:
        add = self._tally.ledger.add
        name, container, encoding = self._source.name, self._source.container, self._source.encoding
        if encoding.mark and not encoding.converts:
            literal = container == "jsonl" and self.format.rows_are_messages
            add(Problem("byte_order_mark" if literal else "mark_taken_off"), 1)
        if encoding.converts:
            add(Problem("converted_text", None, {"encoding": encoding.name.upper()}), 1)
        if self._windows_line is not None:
            add(Problem("windows_lines"), self._windows_line)
        ending = name.rsplit(".", 1)[-1].lower() if "." in name else ""
        if ending == "json" and container == "jsonl":
            add(Problem("json_holds_lines"), 1)
        if ending in ("jsonl", "ndjson") and container == "json":
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
            row, first_row = place >> ROW_AT & row_mask, earlier >> ROW_AT & row_mask
            code, first = ("duplicate_row", first_row) if row else ("duplicate", earlier >> LINE_AT)
            self._tally.ledger.add(Problem(code, None, {"first": str(first)}), place >> LINE_AT, row or None)
        return count

    def _report(self) -> Report:
        duplicates = self._duplicates()
        statistics = self._tally.statistics
        findings: tuple[Finding, ...] = self._tally.ledger.findings()
        return Report(
            format=self.format.name,
            container=".".join(filter(None, (self._source.container, self._source.archive))),
            encoding=self._source.encoding.name,
            rows=self._tally.rows,
            good_rows=statistics.rows,
            turns=statistics.turns,
            characters=statistics.characters,
            exact_duplicates=duplicates,
            system_prompts=statistics.system_prompts,
            languages=statistics.languages,
            length_histogram=tuple(statistics.histogram),
            findings=findings,
            findings_total=self._tally.ledger.total,
            by_rule=self._tally.ledger.by_rule,
            by_code=self._tally.ledger.by_code,
            notes=self.format.notes,
        )
