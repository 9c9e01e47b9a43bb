"""Judging chat messages a block at a time: the plain rows all together, every other one by itself in its place."""

from collections.abc import Callable
from contextlib import closing

import numpy as np

from finetune.datasets.blocks import Block, Blocks
from finetune.datasets.facts import Facts
from finetune.datasets.findings import Problem
from finetune.datasets.fingerprints import SampledFingerprints
from finetune.datasets.helper import look_alone, look_together
from finetune.datasets.languages import languages_of
from finetune.datasets.lines import TOO_LONG
from finetune.datasets.rereading import Line, Rereader
from finetune.datasets.statistics import LOOKED_AT
from finetune.datasets.style import Style, beginning_of
from finetune.datasets.tally import LINE_AT, RESPELLED, Tally

JudgeRow = Callable[[int, bytes | Problem], None]


def judge_blocks(
    blocks: Blocks,
    style: Style,
    tally: Tally,
    judge_row: JudgeRow,
    canonical_of: Callable[[bytes], bytes],
    *,
    together: bool,
) -> None:
    """Judge all lines of a file into ``tally``; ``judge_row`` does so with one that is not plain.

    ``canonical_of`` gives the canonical form of such a line again, if it is good, without its line end. ``together``:
    have a second process help; the result is the same. The file is to stay open until the tally's duplicates are known.
    """
    rereader = Rereader(blocks.again(), canonical_of)
    tally.fingerprints = fingerprints = SampledFingerprints(lambda places: rereader.hashes(map(_line, places)))
    line = 1
    with closing((look_together if together else look_alone)(blocks, style)) as looked:
        for block, facts in looked:
            rereader.begins(line)
            if facts is not None:
                _Fold(block, facts, line, tally, fingerprints).fold(judge_row)
                line += facts.lines
            if block.too_long:
                judge_row(line, TOO_LONG)
                line += 1


def _line(place: int) -> Line:
    return place >> LINE_AT, not place & RESPELLED


class _Fold:
    """Adds a block to the tally."""

    def __init__(self, block: Block, facts: Facts, line: int, tally: Tally, fingerprints: SampledFingerprints) -> None:
        self._block, self._facts, self._line, self._tally = block, facts, line, tally
        self._fingerprints = fingerprints

    def fold(self, judge_row: JudgeRow) -> None:
        """Take up the plain rows, and have the others judged where they stand between them."""
        facts = self._facts
        self._tally.statistics.add_figures(facts.turns, facts.characters, facts.histogram)
        done = 0
        for line, before, content in facts.odd_rows(self._block.data):
            self._take(done, before)
            done = before
            judge_row(self._line + line, content)
        self._take(done, len(facts.line))

    def _take(self, begin: int, end: int) -> None:
        """Plain rows from one number to another, between which nothing else stands."""
        count = end - begin
        if not count:
            return
        facts, tally = self._facts, self._tally
        tally.rows += count
        sampled = tally.statistics.add_rows(count, facts.prompts.of_rows(begin, end))
        tally.statistics.add_languages(languages_of(self._answers([begin + number for number in sampled])))
        first = self._line + int(facts.line[begin])
        places = np.arange(first, first + count) << LINE_AT
        self._fingerprints.extend(facts.samples[begin:end].tobytes(), places.tobytes())
        if not tally.ledger.errors:
            rows = memoryview(self._block.data)[facts.begin[begin] : facts.end[end - 1] + 1]
            tally.canonical.write(rows)

    def _answers(self, rows: list[int]) -> list[str]:
        """The beginnings of the last contents of rows."""
        data, facts = self._block.data, self._facts
        spans = zip(facts.answer[rows].tolist(), facts.answer_end[rows].tolist(), strict=True)
        return [beginning_of(data, begin, end, LOOKED_AT) for begin, end in spans]
