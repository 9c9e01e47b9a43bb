"""Judging chat messages a block at a time: the plain rows all together, every other one by itself in its place."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from finetune.datasets.blocks import Block, Blocks
from finetune.datasets.facts import Facts, facts_of
from finetune.datasets.findings import Problem
from finetune.datasets.languages import languages_of
from finetune.datasets.lines import TOO_LONG
from finetune.datasets.statistics import LOOKED_AT
from finetune.datasets.style import Style, beginning_of, text_of
from finetune.datasets.tally import ROW_BITS, Tally

JudgeRow = Callable[[int, bytes | Problem], None]


def judge_blocks(blocks: Blocks, style: Style, tally: Tally, judge_row: JudgeRow) -> None:
    """Judge all lines of a file into ``tally``; ``judge_row`` does so with one that is not plain."""
    line = 1
    for number in range(blocks.count):
        block = blocks.read(number)
        if block.data:
            facts = facts_of(block, style)
            _Fold(block, facts, line, tally).fold(judge_row)
            line += facts.lines
        if block.too_long:
            judge_row(line, TOO_LONG)
            line += 1


class _Fold:
    """Adds a block to the tally."""

    def __init__(self, block: Block, facts: Facts, line: int, tally: Tally) -> None:
        self._block, self._facts, self._line, self._tally = block, facts, line, tally

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
        prompts = Counter(facts.prompts[begin:end])
        sampled = tally.statistics.add_rows(count, [(text_of(prompt), rows) for prompt, rows in prompts.items()])
        tally.statistics.add_languages(languages_of([self._answer(begin + number) for number in sampled]))
        first = self._line + int(facts.line[begin])
        places = np.arange(first, first + count) << ROW_BITS
        tally.fingerprints.extend(facts.prints[begin:end].tobytes(), places.tobytes())
        if not tally.ledger.errors:
            self._keep(int(facts.begin[begin]), int(facts.end[end - 1]))

    def _answer(self, row: int) -> str:
        facts = self._facts
        return beginning_of(self._block.data[facts.answer[row] : facts.answer_end[row]], LOOKED_AT)

    def _keep(self, begin: int, end: int) -> None:
        block, canonical = self._block, self._tally.canonical
        if block.line_end_added and end + 1 == len(block.data):
            canonical.keep(block.begin + begin, block.begin + end)
            canonical.write(b"\n")
        else:
            canonical.keep(block.begin + begin, block.begin + end + 1)
