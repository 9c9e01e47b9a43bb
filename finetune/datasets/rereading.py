"""Reading some lines of a file once more, after it has been judged in blocks."""

from array import array
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.bits import Flags
from finetune.datasets.blocks import Blocks


class Rereader:
    """Knows in which block a line begins: eight bytes a block."""

    def __init__(self, blocks: Blocks, canonical_of: Callable[[bytes], bytes]) -> None:
        self._blocks = blocks
        self._canonical_of = canonical_of
        self._first_lines = array("q")

    def begins(self, line: int) -> None:
        """Note the first line of the next block, which is also that of an empty one."""
        self._first_lines.append(line)

    def hashes(self, lines: NDArray[np.int64], respelled: Flags) -> NDArray[np.int64]:
        """Of the canonical forms of lines, given by number from 1 and rising.

        ``respelled``: whether that is another text than the line.
        """
        firsts = np.array(self._first_lines, np.int64)
        blocks = np.searchsorted(firsts, lines, "right") - 1
        found = np.empty(len(lines), np.int64)
        begin = 0
        for end in (np.flatnonzero(np.diff(blocks, append=-1)) + 1).tolist():
            number = int(blocks[begin])
            found[begin:end] = self._in_block(number, lines[begin:end] - firsts[number], respelled[begin:end])
            begin = end
        return found

    def _in_block(self, number: int, lines: NDArray[np.int64], respelled: Flags) -> NDArray[np.int64]:
        data = self._blocks.read(number).data
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        begins = np.concatenate(([0], ends[:-1] + 1))
        # Each row is gone before the next one is taken. Views would be no faster: hashing one hashes the whole block.
        rows: Iterator[bytes] = map(data.__getitem__, map(slice, begins[lines].tolist(), ends[lines].tolist()))
        if respelled.any():
            rows = (self._canonical_of(row) if other else row for row, other in zip(rows, respelled, strict=True))
        return np.fromiter(map(hash, rows), np.int64, len(lines))
