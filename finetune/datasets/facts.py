"""What is known of a block before the rows that are not plain are judged: all that does not depend on other blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.blocks import Block
from finetune.datasets.plain import Places, scan
from finetune.datasets.statistics import BUCKETS
from finetune.datasets.style import Style

# A bucket of the histogram ends where the next power of two begins.
_POWERS = 2 ** np.arange(1, BUCKETS)


@dataclass(slots=True)
class Facts:
    """A block's lines, and its plain rows with their figures."""

    lines: int
    line: Places  # of each plain row: its line, from 0
    begin: Places  # where its text begins and ends in the block
    end: Places
    answer: Places  # where its last content does
    answer_end: Places
    prints: NDArray[np.int64]
    prompts: list[bytes]  # the system prompt's text, empty when there is none
    turns: int
    characters: int
    histogram: Sequence[int]
    odd: list[tuple[int, int, int, int]]  # the other lines: number, plain rows before, begin, end

    def odd_rows(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The other lines: number from 0, how many plain rows come before, text without the line end."""
        for line, before, begin, end in self.odd:
            yield line, before, data[begin:end]


def facts_of(block: Block, style: Style) -> Facts:
    """Look through a block."""
    data = block.data
    plain = scan(data, style)
    lines = len(plain.line_ends)
    buckets = np.searchsorted(_POWERS, plain.characters, "right")
    return Facts(
        lines=lines,
        line=plain.line,
        begin=plain.begin,
        end=plain.end,
        answer=plain.answer,
        answer_end=plain.answer_end,
        prints=_prints(data, plain.begin, plain.end),
        prompts=list(map(data.__getitem__, map(slice, plain.prompt.tolist(), plain.prompt_end.tolist()))),
        turns=int(plain.turns.sum()),
        characters=int(plain.characters.sum()),
        histogram=np.bincount(buckets, minlength=BUCKETS).tolist(),
        odd=_odd(plain.line, plain.line_ends) if len(plain.line) < lines else [],
    )


def _prints(data: bytes, begin: Places, end: Places) -> NDArray[np.int64]:
    # A view's hash is that of the same bytes.
    rows = map(memoryview(data).__getitem__, map(slice, begin.tolist(), end.tolist()))
    return np.fromiter(map(hash, rows), np.int64, len(begin))


def _odd(plain: Places, line_ends: Places) -> list[tuple[int, int, int, int]]:
    is_odd = np.ones(len(line_ends), np.bool_)
    is_odd[plain] = False
    lines = np.flatnonzero(is_odd)
    begins = np.where(lines, line_ends[lines - 1] + 1, 0)
    columns = (lines, np.searchsorted(plain, lines), begins, line_ends[lines])
    return list(zip(*(column.tolist() for column in columns), strict=True))
