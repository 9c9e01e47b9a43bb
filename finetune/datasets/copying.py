"""Writing the canonical file: rows that are canonical already are copied from the source by the operating system."""

import os

# Less than this is read and written with what stands around it.
_WORTH_A_CALL = 1 << 17
# So much may wait, lest it has to be fetched from the disk again.
_WAITING = 8 << 20


class Canonical:
    """Takes rows in their order; ``source`` and ``target`` are descriptors, the target's at its end."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self._begin = self._end = 0
        self._buffer: list[bytes] = []
        self._buffered = 0

    def keep(self, begin: int, end: int) -> None:
        """Rows as they stand in the source."""
        if begin != self._end or end - self._begin > _WAITING:
            self._copy()
            self._begin = begin
        self._end = end

    def write(self, rows: bytes) -> None:
        """Rows that had to be written anew."""
        self._copy()
        self._hold(rows)

    def flush(self) -> None:
        """Write what waits."""
        self._copy()
        self._write()

    def _copy(self) -> None:
        begin, end = self._begin, self._end
        self._begin = self._end = 0
        if end - begin > _WORTH_A_CALL:
            self._write()
            while begin < end and (copied := _by_the_system(self._source, self._target, begin, end - begin)):
                begin += copied
        while begin < end:
            piece = os.pread(self._source, min(end - begin, _WAITING), begin)
            if not piece:
                raise OSError("the file became shorter while it was read")
            self._hold(piece)
            begin += len(piece)

    def _hold(self, rows: bytes) -> None:
        self._buffer.append(rows)
        self._buffered += len(rows)
        if self._buffered > _WORTH_A_CALL:
            self._write()

    def _write(self) -> None:
        rest = memoryview(b"".join(self._buffer))
        while rest:
            rest = rest[os.write(self._target, rest) :]
        self._buffer.clear()
        self._buffered = 0


def _by_the_system(source: int, target: int, begin: int, count: int) -> int:
    """How many bytes the system copied by itself; 0 where it cannot, as between some file systems."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source, target, count, begin)
    except OSError:
        return 0
