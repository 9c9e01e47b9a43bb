"""How far a worker is. It tells through a pipe, seldom, and never waits for whoever listens."""

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Takes how many bytes of a file have been taken up, and how many there are.
Moved = Callable[[int, int], None]

_RECORD = struct.Struct("<qq")
_SELDOM = 0.1  # seconds
_ROOM = _RECORD.size << 12


def nobody(_done: int, _total: int) -> None:
    """Where nobody wants to know."""


def teller(descriptor: int | None) -> Moved:
    """The worker's end of the pipe; None when nobody listens."""
    if descriptor is None:
        return nobody
    os.set_blocking(descriptor, False)
    told = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _SELDOM or done >= total:
            told = now
            # Full, or nobody is there any more: neither is the worker's concern.
            with suppress(OSError):
                os.write(descriptor, _RECORD.pack(done, total))

    return tell


@contextmanager
def listening(moved: Moved | None) -> Iterator[int | None]:
    """Calls ``moved`` from the running event loop. Gives the descriptor for the worker, if anybody listens."""
    if moved is None:
        yield None
        return
    import asyncio

    mine, its = os.pipe()

    def hear() -> None:
        # Such short pieces are written and read as a whole.
        moved(*_RECORD.unpack(os.read(mine, _ROOM)[-_RECORD.size :]))

    loop = asyncio.get_running_loop()
    loop.add_reader(mine, hear)
    try:
        yield its
    finally:
        loop.remove_reader(mine)
        os.close(mine)
        os.close(its)
