"""The set as it is trained: one ``.zip`` of ``001.jpg``, ``001.txt``, …, the same bytes for the same set."""

import os
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from finetune.images.kinds import CANONICAL, CAPTION

_CHUNK = 1 << 20
_WHEN = (1980, 1, 1, 0, 0, 0)  # the first moment that a .zip knows
_MODE = 0o100644 << 16
_UNIX = 3


class CanonicalWriter:
    """Writes the files in the order of their numbers, stored as they are; synced when it is left without an error."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> Self:
        return self

    def add(self, number: int, kind: str, picture: IO[bytes], caption: str) -> None:
        """A picture, byte for byte, and its caption in UTF-8 if there is any."""
        with self._archive.open(_entry(f"{number:03}{CANONICAL[kind]}"), "w") as target:
            picture.seek(0)
            while piece := picture.read(_CHUNK):
                target.write(piece)
        if caption:
            self._archive.writestr(_entry(f"{number:03}{CAPTION}"), caption.encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file:
            self._archive.close()
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.create_system = _UNIX
    info.external_attr = _MODE
    return info
