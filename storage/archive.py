"""An archive: one tar file whose last member names every other with its size and SHA-256.

It is written under a temporary name and renamed when it is whole. An archive that was cut off has no last member, so
it cannot be taken for a whole one.
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

MANIFEST = "manifest.json"
# Archives hold everybody's data.
_MODE = 0o600
_PIECE = 1 << 20


class BadArchive(Exception):
    """An archive that cannot be used. ``code``: unreadable, incomplete, damaged or unknown; ``name``: of the member."""

    def __init__(self, code: str, name: str = "") -> None:
        super().__init__(f"{code} {name}".rstrip())
        self.code = code
        self.name = name


class Packer:
    """Writes an archive. Left with an error, it leaves nothing behind.

    Raises ``OSError`` (no room, a folder that cannot be written to) from every method.
    """

    def __init__(self, target: Path, facts: Mapping[str, Any]) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        self._facts = dict(facts)
        self._members: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w|", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                content = json.dumps({**self._facts, "members": self._members}, ensure_ascii=False).encode()
                self._write(MANIFEST, len(content), io.BytesIO(content))
                self._tar.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._part.replace(self._target)
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """How many members there are so far."""
        return len(self._members)

    def add(self, name: str, path: Path) -> bool:
        """Pack a file as long as it is now; False if it is gone."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        with file:
            size = os.fstat(file.fileno()).st_size
            self._members[name] = (size, self._write(name, size, file))
        return True

    def _write(self, name: str, size: int, source: BinaryIO) -> str:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, _MODE
        reader = _Hashing(source)
        self._tar.addfile(entry, cast("BinaryIO", reader))
        return reader.digest.hexdigest()


class _Hashing:
    """A file that remembers what was read of it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._source.read(size)
        self.digest.update(piece)
        return piece


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Write all members under ``folder`` and check each; returns what the packer was told.

    Blocks. Raises :class:`BadArchive`, and ``OSError`` if the disk refuses.
    """
    found: dict[str, list[Any]] = {}
    manifest: dict[str, Any] | None = None
    with archive.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r|") as tar:
                for entry in tar:
                    if manifest is not None or not entry.isreg() or not _safe(entry.name) or entry.name in found:
                        raise BadArchive("unknown", entry.name)
                    source = tar.extractfile(entry)
                    assert source is not None
                    if entry.name == MANIFEST:
                        manifest = json.loads(source.read())
                    else:
                        found[entry.name] = [entry.size, _copy(cast("BinaryIO", source), folder / entry.name)]
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise BadArchive("incomplete" if found else "unreadable") from error
    if manifest is None:
        raise BadArchive("incomplete" if found else "unreadable")
    members = manifest.pop("members", None)
    if not isinstance(members, dict):
        raise BadArchive("damaged", MANIFEST)
    for name in found.keys() | members.keys():
        if found.get(name) != members.get(name):
            raise BadArchive("damaged", name)
    return manifest


def _safe(name: str) -> bool:
    parts = name.split("/")
    return not any(part in ("", ".", "..") or "\x00" in part or "\\" in part for part in parts)


def _copy(source: BinaryIO, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
        while piece := source.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
