"""A file of lines in blocks of about a megabyte, each read by its number alone.

A line belongs to the block in which it begins, so whoever reads a block needs to know nothing of the others.
"""

import os
from dataclasses import dataclass

from finetune.datasets.lines import MAX_ROW_BYTES

BLOCK = 1 << 20
_AHEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """The lines that begin in one part of a file."""

    begin: int  # where they stand in the file
    data: bytes  # whole lines, each with its line end
    line_end_added: bool = False  # the file does not end with one
    too_long: bool = False  # another line comes after them that is too long to be read


class Blocks:
    """The blocks of an open file from ``begin`` on."""

    def __init__(self, descriptor: int, begin: int) -> None:
        self._descriptor = descriptor
        self._begin = begin
        self.count = (os.fstat(descriptor).st_size + BLOCK - 1) // BLOCK

    def read(self, number: int) -> Block:
        """Block ``number``, from 0. It is empty when a line of the one before reaches over all of it."""
        low, high = number * BLOCK, (number + 1) * BLOCK
        base = low - 1 if number else self._begin
        data = os.pread(self._descriptor, high - base + _AHEAD, base)
        # A line begins here if the end of that before it stands from one byte before the block to two before its end.
        begin = data.find(b"\n", 0, high - 1 - base) + 1 if number else 0
        if number and not begin:
            return Block(low, b"")
        end = data.find(b"\n", high - 1 - base) + 1
        if end:
            return Block(base + begin, data[begin:end])
        return self._to_the_end(base, begin, data)

    def _to_the_end(self, base: int, begin: int, data: bytes) -> Block:
        """A block whose last line reaches further than was read, or to the end of the file."""
        last = data.rfind(b"\n") + 1
        pieces = [data]
        length = len(data)
        end = 0
        while not end and length - last <= MAX_ROW_BYTES:
            piece = os.pread(self._descriptor, BLOCK, base + length)
            if not piece:
                end = length
                break
            found = piece.find(b"\n") + 1
            end = length + found if found else 0
            pieces.append(piece)
            length += len(piece)
        whole = b"".join(pieces)
        if not end or end - last - whole.startswith(b"\n", end - 1) > MAX_ROW_BYTES:
            return Block(base + begin, whole[begin:last], too_long=True)
        lines = whole[begin:end]
        if not lines or lines.endswith(b"\n"):
            return Block(base + begin, lines)
        return Block(base + begin, lines + b"\n", line_end_added=True)
