"""What is known of a block before the rows that are not plain are judged: all that does not depend on other blocks."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from finetune.datasets.blocks import Block
from finetune.datasets.plain import scan
from finetune.datasets.statistics import BUCKETS
from finetune.datasets.style import Style

# A bucket of the histogram ends where the next power of two begins.
_POWERS = 2 ** np.arange(1, BUCKETS)


@dataclass(slots=True)
class Facts:
    """A block's lines, and its plain rows with their figures."""

    lines: int
    odd: list[tuple[int, int]]  # the other lines: number from 0, and how many plain rows come before
    line: list[int]  # of each plain row: its line, from 0
    begin: list[int]  # where its text begins and ends in the block
    end: list[int]
    prints: "array[int]"
    prompts: list[bytes]  # the system prompt's text, empty when there is none
    answers: list[tuple[int, int]]  # where the last content stands in the block
    turns: int
    characters: int
    histogram: list[int]
    line_ends: list[int]

    def odd_rows(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The other lines with their text: number, plain rows before, text without the line end."""
        for line, before in self.odd:
            yield line, before, data[self.line_ends[line - 1] + 1 if line else 0 : self.line_ends[line]]


def facts_of(block: Block, style: Style) -> Facts:
    """Look through a block."""
    data = block.data
    plain = scan(data, style)
    lines = len(plain.line_ends)
    is_odd = np.ones(lines, np.bool_)
    is_odd[plain.line] = False
    odd = np.flatnonzero(is_odd)
    begin, end = plain.begin.tolist(), plain.end.tolist()
    view = memoryview(data)
    # A view's hash is that of the same bytes.
    prints = array("q", [hash(view[low:high]) for low, high in zip(begin, end, strict=True)])
    prompts = zip(plain.prompt.tolist(), plain.prompt_end.tolist(), strict=True)
    buckets = np.searchsorted(_POWERS, plain.characters, "right")
    return Facts(
        lines=lines,
        odd=list(zip(odd.tolist(), np.searchsorted(plain.line, odd).tolist(), strict=True)),
        line=plain.line.tolist(),
        begin=begin,
        end=end,
        prints=prints,
        prompts=[data[low:high] for low, high in prompts],
        answers=list(zip(plain.answer.tolist(), plain.answer_end.tolist(), strict=True)),
        turns=int(plain.turns.sum()),
        characters=int(plain.characters.sum()),
        histogram=np.bincount(buckets, minlength=BUCKETS).tolist(),
        line_ends=plain.line_ends.tolist() if len(odd) else [],
    )
