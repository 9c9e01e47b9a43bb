"""Judging chat messages a block at a time: the plain rows all together, every other one by itself in its place."""

from collections.abc import Callable
from contextlib import closing

import numpy as np

from finetune.datasets.blocks import Block, Blocks
from finetune.datasets.facts import Facts
from finetune.datasets.findings import Problem
from finetune.datasets.helper import look_alone, look_together
from finetune.datasets.languages import languages_of
from finetune.datasets.lines import TOO_LONG
from finetune.datasets.rereading import Rereader
from finetune.datasets.samples import SampledFingerprints
from finetune.datasets.statistics import LOOKED_AT
from finetune.datasets.style import Style, beginning_of
from finetune.datasets.tally import LINE_AT, RESPELLED, Tally
from finetune.progress import Moved, nobody

JudgeRow = Callable[[int, bytes | Problem], None]

_ANSWERS = 512


def judge_blocks(
    blocks: Blocks,
    style: Style,
    tally: Tally,
    judge_row: JudgeRow,
    canonical_of: Callable[[bytes], bytes],
    moved: Moved = nobody,
    *,
    together: bool,
) -> None:
    """Judge all lines of a file into ``tally``; ``judge_row`` does so with one that is not plain.

    ``canonical_of`` gives the canonical form of such a line again, if it is good, without its line end. ``together``:
    have a second process help; the result is the same. The file is to stay open until the tally's duplicates are known.
    """
    rereader = Rereader(blocks.again(), canonical_of)
    tally.fingerprints = fingerprints = SampledFingerprints(
        lambda places: rereader.hashes(places >> LINE_AT, places & RESPELLED != 0)
    )
    fold = _Fold(tally, fingerprints)
    line = 1
    with closing((look_together if together else look_alone)(blocks, style)) as looked:
        for number, (block, facts) in enumerate(looked):
            moved(blocks.end(number), blocks.size)
            rereader.begins(line)
            if facts is not None:
                fold.fold(block, facts, line, judge_row)
                line += facts.lines
            if block.too_long:
                judge_row(line, TOO_LONG)
                line += 1
    fold.finish()


class _Languages:
    """Gathers answers whose languages are to be told, for many at once take less than each."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._answers: list[str] = []

    def add(self, answers: list[str]) -> None:
        self._answers += answers
        if len(self._answers) >= _ANSWERS:
            self.finish()

    def finish(self) -> None:
        self._tally.statistics.add_languages(languages_of(self._answers))
        self._answers.clear()


class _Fold:
    """Adds blocks to the tally, one after the other."""

    def __init__(self, tally: Tally, fingerprints: SampledFingerprints) -> None:
        self._tally = tally
        self._fingerprints = fingerprints
        self._languages = _Languages(tally)

    def fold(self, block: Block, facts: Facts, first_line: int, judge_row: JudgeRow) -> None:
        """Take up the plain rows, and have the others judged where they stand between them."""
        self._tally.statistics.add_figures(facts.turns, facts.characters, facts.histogram)
        done = 0
        for line, before, content in facts.odd_rows(block.data):
            self._take(block, facts, done, before)
            done = before
            judge_row(first_line + line, content)
        self._take(block, facts, done, len(facts.line))
        self._fingerprints.extend(facts.samples, (first_line + facts.line.astype(np.int64)) << LINE_AT)

    def finish(self) -> None:
        """Add what waits."""
        self._languages.finish()

    def _take(self, block: Block, facts: Facts, begin: int, end: int) -> None:
        """Plain rows from one number to another, between which nothing else stands."""
        count = end - begin
        if not count:
            return
        tally = self._tally
        tally.rows += count
        sampled = tally.statistics.add_rows(count, facts.prompts.of_rows(begin, end))
        if sampled:
            self._languages.add(_answers(block.data, facts, [begin + number for number in sampled]))
        if not tally.ledger.errors:
            tally.canonical.write(memoryview(block.data)[facts.begin[begin] : facts.end[end - 1] + 1])


def _answers(data: bytes, facts: Facts, rows: list[int]) -> list[str]:
    """The beginnings of the last contents of rows."""
    spans = zip(facts.answer[rows].tolist(), facts.answer_end[rows].tolist(), strict=True)
    return [beginning_of(data, begin, end, LOOKED_AT) for begin, end in spans]
