"""Reading some lines of a file once more, after it has been judged in blocks."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np

from finetune.datasets.blocks import Blocks

# A line by its number from 1, and whether it is its own canonical form.
Line = tuple[int, bool]


class Rereader:
    """Knows in which block a line begins: eight bytes a block."""

    def __init__(self, blocks: Blocks, canonical_of: Callable[[bytes], bytes]) -> None:
        self._blocks = blocks
        self._canonical_of = canonical_of
        self._first_lines = array("q")

    def begins(self, line: int) -> None:
        """Note the first line of the next block, which is also that of an empty one."""
        self._first_lines.append(line)

    def hashes(self, lines: Iterable[Line]) -> Iterator[int]:
        """Of the canonical forms of lines in rising order."""
        for number, together in groupby(lines, lambda line: bisect_right(self._first_lines, line[0]) - 1):
            data = self._blocks.read(number).data
            ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
            for line, is_canonical in together:
                at = line - self._first_lines[number]
                row = data[int(ends[at - 1]) + 1 if at else 0 : int(ends[at])]
                yield hash(row if is_canonical else self._canonical_of(row))
