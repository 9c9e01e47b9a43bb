"""A file of lines in blocks of about two megabytes, each read by its number alone.

A line belongs to the block in which it begins, so whoever reads a block needs to know nothing of the others.
"""

import os
from dataclasses import dataclass

from finetune.datasets.lines import MAX_ROW_BYTES

BLOCK = 2 << 20
_AHEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """The lines that begin in one part of a file."""

    data: bytes  # whole lines, each with its line end
    line_end_added: bool = False  # the file does not end with one
    too_long: bool = False  # another line comes after them that is too long to be read


class Blocks:
    """The blocks of an open file from ``begin`` on."""

    def __init__(self, descriptor: int, begin: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._begin = begin
        # No line ends from the one place to before the other.
        self._searched, self._found = 0, begin
        self.count = (self.size + BLOCK - 1) // BLOCK

    def again(self) -> "Blocks":
        """The same, for another who reads."""
        return Blocks(self._descriptor, self._begin)

    def end(self, number: int) -> int:
        """Where a block's part of the file ends."""
        return min(self.size, (number + 1) * BLOCK)

    def read(self, number: int) -> Block:
        """Block ``number``, from 0. It is empty when a line of one before reaches over all of it."""
        begin = self._first_line(number)
        end = self._first_line(number + 1)
        too_long = end - begin > BLOCK + MAX_ROW_BYTES
        data = os.pread(self._descriptor, BLOCK if too_long else end - begin, begin)
        if too_long:
            data = data[: data.rfind(b"\n") + 1]
        added = bool(data) and not data.endswith(b"\n")
        if added:
            data += b"\n"
        # Only the last line may reach further than its block, which is no longer than a row may be.
        if len(data) > MAX_ROW_BYTES and len(data) - 1 - (last := data.rfind(b"\n", 0, -1) + 1) > MAX_ROW_BYTES:
            return Block(data[:last], too_long=True)
        return Block(data, added, too_long)

    def _first_line(self, number: int) -> int:
        """Where the first line begins that does so in this block or after it."""
        at = number * BLOCK - 1
        if at < self._begin:
            return self._begin
        # A line may be longer than many blocks, and must not be searched for its end in each of them.
        if not self._searched <= at < self._found:
            self._searched, self._found = at, self._end_of_line(at)
        return self._found

    def _end_of_line(self, at: int) -> int:
        while piece := os.pread(self._descriptor, _AHEAD, at):
            if found := piece.find(b"\n") + 1:
                return at + found
            at += len(piece)
        return max(at, self.size)
