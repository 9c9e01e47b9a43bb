"""A second process that looks through blocks while the first one does too, and takes the results up in their order."""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Generator, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from finetune.datasets.blocks import Block, Blocks
from finetune.datasets.facts import Facts, facts_of
from finetune.datasets.style import Style

# What the second process is asked for at once, so that it never waits.
_ASKED = 2
# How far the first one goes ahead while it waits for a block.
_AHEAD = 4

Looked = tuple[Block, Facts | None]


def look(blocks: Blocks, number: int, style: Style) -> Looked:
    """A block and what is known of it; nothing of an empty one."""
    block = blocks.read(number)
    return block, facts_of(block, style) if block.data else None


def look_alone(blocks: Blocks, style: Style) -> Generator[Looked]:
    """All blocks in their order."""
    for number in range(blocks.count):
        yield look(blocks, number, style)


def look_together(blocks: Blocks, style: Style) -> Generator[Looked]:
    """All blocks in their order, many of them looked through by a second process.

    It is a copy of this one, so that both have the same hashes. Should it die, this one does all.
    """
    if sys.platform != "linux":
        yield from look_alone(blocks, style)
        return
    mine, its = Pipe()
    process = os.fork()
    if not process:
        _serve(its, mine, blocks.again(), style)
    its.close()
    try:
        yield from _Pair(blocks, style, mine).blocks()
    finally:
        mine.close()
        os.waitpid(process, 0)


def _serve(its: Connection, mine: Connection, blocks: Blocks, style: Style) -> None:
    """Be the second process: never return, and touch nothing that the first one has open."""
    try:
        mine.close()
        for stream in (0, 1, 2):
            with contextlib.suppress(OSError):
                os.close(stream)
        while True:
            its.send(look(blocks, its.recv(), style)[1])
    except BaseException:  # noqa: BLE001
        # The first process is gone or is done, or will do the rest by itself and meet the same error.
        os._exit(0)


class _Pair:
    """Shares the blocks out."""

    def __init__(self, blocks: Blocks, style: Style, second: Connection) -> None:
        self._style = style
        self._second = second
        self._count = blocks.count
        # One goes ahead, the other one reads again what the second process has looked through.
        self._ahead, self._again = blocks, blocks.again()
        self._next = 0
        self._alone = False
        self._asked: deque[int] = deque()
        self._mine: dict[int, Looked] = {}
        self._its: dict[int, Facts | None] = {}

    def blocks(self) -> Iterator[Looked]:
        for number in range(self._count):
            yield self._block(number)

    def _block(self, number: int) -> Looked:
        self._take(wait=False)
        while number in self._asked:
            if self._next < self._count and len(self._mine) < _AHEAD:
                self._next += 1
                self._mine[self._next - 1] = look(self._ahead, self._next - 1, self._style)
                self._take(wait=False)
            else:
                self._take(wait=True)
        if number in self._mine:
            return self._mine.pop(number)
        if number in self._its:
            return self._again.read(number), self._its.pop(number)
        self._next = max(self._next, number + 1)
        return look(self._again, number, self._style)

    def _take(self, *, wait: bool) -> None:
        """Take what the second process has, and ask for more."""
        try:
            while self._asked and (wait or self._second.poll()):
                facts = self._second.recv()
                self._its[self._asked.popleft()] = facts
                wait = False
            while (
                not self._alone and len(self._asked) < _ASKED and self._next < self._count and len(self._its) < _AHEAD
            ):
                self._second.send(self._next)
                self._asked.append(self._next)
                self._next += 1
        except (EOFError, OSError):
            # What it was asked for is nobody's now, and is looked through when its turn comes.
            self._asked.clear()
            self._alone = True
