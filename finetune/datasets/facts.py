"""What is known of a block before the rows that are not plain are judged: all that does not depend on other blocks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.bits import Places
from finetune.datasets.blocks import Block
from finetune.datasets.plain import Plain, scan, texts_at
from finetune.datasets.samples import samples_of
from finetune.datasets.statistics import BUCKETS
from finetune.datasets.style import Style, text_of

Short = NDArray[np.int32]

# A bucket of the histogram ends where the next power of two begins.
_POWERS = 2 ** np.arange(1, BUCKETS)
# Prompts up to this size are compared all together, which takes a copy of each.
_MOSTLY_SHORTER = 2048


@dataclass(slots=True)
class Prompts:
    """The system prompts of plain rows: the different ones as they are spelled, and the number of each row's.

    A row without one has an empty one, as in :class:`Statistics`; no plain row has one that is empty.
    """

    spelled: list[bytes]
    number: NDArray[np.intp] | None  # None when all rows have the same

    def of_rows(self, begin: int, end: int) -> list[tuple[str, int]]:
        """The prompts of these rows with how many have them, in the order of the first of each."""
        if self.number is None:
            return [(text_of(self.spelled[0]), end - begin)]
        counts = Counter(self.number[begin:end].tolist())
        return [(text_of(self.spelled[number]), rows) for number, rows in counts.items()]


@dataclass(slots=True)
class Facts:
    """A block's lines, and its plain rows with their figures."""

    lines: int
    line: Short  # of each plain row: its line, from 0
    begin: Short  # where its text begins and ends in the block
    end: Short
    answer: Short  # where its last content does
    answer_end: Short
    samples: NDArray[np.int64]
    prompts: "Prompts"
    turns: int
    characters: int
    histogram: Sequence[int]
    odd: NDArray[np.intp] | None  # the others, a column a line: number, plain rows before, begin, end; None: all are

    def odd_rows(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The other lines: number from 0, how many plain rows come before, text without the line end."""
        if self.odd is None:
            begin = 0
            for line in range(self.lines):
                end = data.index(b"\n", begin)
                yield line, 0, data[begin:end]
                begin = end + 1
        else:
            for line, before, begin, end in self.odd.T.tolist():
                yield line, before, data[begin:end]


def facts_of(block: Block, style: Style) -> Facts:
    """Look through a block."""
    data = block.data
    plain = scan(data, style)
    ends = plain.line_ends
    lines = data.count(b"\n") if ends is None else len(ends)
    buckets = np.searchsorted(_POWERS, plain.characters, "right")
    return Facts(
        lines=lines,
        # Half as much to be sent from one process to another.
        line=plain.line.astype(np.int32),
        begin=plain.begin.astype(np.int32),
        end=plain.end.astype(np.int32),
        answer=plain.answer.astype(np.int32),
        answer_end=plain.answer_end.astype(np.int32),
        samples=samples_of(data, plain.begin, plain.end),
        prompts=_prompts(data, plain),
        turns=int(plain.turns.sum()),
        characters=int(plain.characters.sum()),
        histogram=np.bincount(buckets, minlength=BUCKETS).tolist(),
        odd=None if ends is None else _odd(plain.line, ends),
    )


def _prompts(data: bytes, plain: Plain) -> Prompts:
    begin, end = plain.prompt, plain.prompt_end
    if not len(begin):
        return Prompts([], None)
    first = data[begin[0] : end[0]]
    same = end - begin == len(first)
    if first and len(first) <= _MOSTLY_SHORTER:
        same &= texts_at(data, begin, len(first)) == first
    elif first:
        same[1:] = False
    others = np.flatnonzero(~same)
    if not len(others):
        return Prompts([first], None)
    numbers = {first: 0}
    number = np.zeros(len(begin), np.intp)
    spans = zip(begin[others].tolist(), end[others].tolist(), strict=True)
    number[others] = [numbers.setdefault(data[low:high], len(numbers)) for low, high in spans]
    return Prompts(list(numbers), number)


def _odd(plain: Places, line_ends: Places) -> NDArray[np.intp]:
    if len(plain) == len(line_ends):
        return np.empty((4, 0), np.intp)
    is_odd = np.ones(len(line_ends), np.bool_)
    is_odd[plain] = False
    lines = np.flatnonzero(is_odd)
    begins = np.where(lines, line_ends[lines - 1] + 1, 0)
    return np.stack((lines, np.searchsorted(plain, lines), begins, line_ends[lines]))
