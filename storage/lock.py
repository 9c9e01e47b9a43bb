"""One process a data folder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class FolderInUse(Exception):
    """Another process has this data folder; ``pid`` is its number, if it told."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is used by process {pid or '?'}")
        self.folder = folder
        self.pid = pid


class FolderLock:
    """Held while a bot runs on a data folder; the system frees it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bot.lock"
        self._handle: int | None = None

    def take(self) -> None:
        """Take it. Raises :class:`FolderInUse`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            raise FolderInUse(self._path.parent, pid) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle

    def free(self) -> None:
        """Give it back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.free()
