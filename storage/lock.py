"""Who works on a data folder: one process alone (SQLite), or several that share it (PostgreSQL)."""

import fcntl
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

_MOST_REPLICAS = 1000


class FolderInUse(Exception):
    """Another process has this data folder; ``pid`` is its number, if it told."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is used by process {pid or '?'}")
        self.folder = folder
        self.pid = pid


class FolderLock:
    """Held while a bot runs on a data folder; the system frees it when the process ends, however it ends.

    ``shared``: others may hold it in the same way, and nobody alone.
    """

    def __init__(self, folder: Path, *, shared: bool = False, name: str = "bot.lock") -> None:
        self._path = folder / name
        self._shared = shared
        self._handle: int | None = None

    def take(self) -> None:
        """Take it. Raises :class:`FolderInUse`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
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


class Seat:
    """The place of a process among those that share a data folder. ``name`` is nobody else's while it lives.

    A name that is free belonged to a process that lives no more, so whoever gets it may end what that one left.
    """

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self._folder = folder
        self._alone = alone
        self._locks = ExitStack()
        self.name = ""

    def __enter__(self) -> Self:
        """Raises :class:`FolderInUse`."""
        self._locks.enter_context(FolderLock(self._folder, shared=not self._alone))
        if self._alone:
            self.name = "one"
            return self
        # Another machine's locks may not be seen on a shared disk, but its name is another.
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60]
        for number in range(_MOST_REPLICAS):
            name = f"{host}-{number}"
            try:
                self._locks.enter_context(FolderLock(self._folder / "replicas", name=f"{name}.lock"))
            except FolderInUse:
                continue
            self.name = name
            return self
        self._locks.close()
        raise FolderInUse(self._folder, "")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locks.close()
