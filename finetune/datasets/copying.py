"""Writing the canonical file."""

import contextlib
import os

# Rows are gathered until they are worth a call of the system.
_WORTH_A_CALL = 1 << 16
# Room is asked for in such pieces: a file system finds it faster before the bytes come than after.
_ROOM = 16 << 20
_SENT = 8 << 20


class Canonical:
    """Takes rows in their order. ``target``: a descriptor, at its end; ``expected``: about how long it will become."""

    def __init__(self, target: int, expected: int) -> None:
        self._target = target
        self._expected = expected
        self._room = self._written = self._sent = 0
        self._rows: list[bytes | memoryview] = []
        self._gathered = 0

    def write(self, rows: bytes | memoryview) -> None:
        """Rows with their line ends."""
        self._rows.append(rows)
        self._gathered += len(rows)
        if self._gathered > _WORTH_A_CALL:
            self._write()

    def finish(self) -> None:
        """Write what waits, and give back the room that was not needed."""
        self._write()
        if self._room:
            os.ftruncate(self._target, self._written)

    def _write(self) -> None:
        self._reserve()
        rest = memoryview(self._rows[0] if len(self._rows) == 1 else b"".join(self._rows))
        while rest:
            count = os.write(self._target, rest)
            self._written += count
            rest = rest[count:]
        self._rows.clear()
        self._gathered = 0
        if self._written - self._sent > _SENT:
            self._send()

    def _send(self) -> None:
        """Have the disk begin, so that little is left to wait for in the end."""
        with contextlib.suppress(OSError, AttributeError):
            # Says that the bytes are not needed in memory, for which they have to be on the disk first.
            os.posix_fadvise(self._target, self._sent, self._written - self._sent, os.POSIX_FADV_DONTNEED)
        self._sent = self._written

    def _reserve(self) -> None:
        room = min(self._expected, self._written + self._gathered + _ROOM)
        if self._written + self._gathered > self._room and room - self._room > _WORTH_A_CALL:
            try:
                os.posix_fallocate(self._target, self._room, room - self._room)
                self._room = room
            except (OSError, AttributeError):  # not everywhere, and nothing depends on it
                self._expected = 0
