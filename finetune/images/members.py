"""The files of a set: those of a folder, or of a ``.zip``. A name is only text; nothing is ever opened by it."""

import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from finetune.errors import DatasetError
from finetune.images.kinds import HEAD_BYTES, sniff

MAX_FILES = 1000
# A thousand entries with long names. A hostile archive claims millions, and each costs memory before it is counted.
MAX_DIRECTORY_BYTES = 4 << 20
_CHUNK = 1 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_END, _END_BYTES = b"PK\x05\x06", 22
_END64_LOCATOR, _END64_BYTES = b"PK\x06\x07", 76  # the locator and the record before it
_LONGEST_COMMENT = 1 << 16
_UTF8_NAME = 0x800
_ENCRYPTED = 1
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
# What zipfile raises for an archive that is not what it claims.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError)


class Damaged(Exception):
    """A file's bytes cannot be had: cut off, or not those that the archive vouches for."""


class TooLong(Exception):
    """A file is longer than it may be."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file by its name as people know it, with ``/`` between folders, its size in bytes, and how to open it."""

    name: str
    size: int
    opened: Callable[[], AbstractContextManager[IO[bytes]]]

    @property
    def order(self) -> tuple[object, ...]:
        """The order in which people count: ``2.jpg`` before ``10.jpg``."""
        pieces = re.split(r"([0-9]+)", self.name.casefold())
        return tuple(_numeral(piece) if index % 2 else piece for index, piece in enumerate(pieces))

    def copy(self, target: IO[bytes], limit: int) -> None:
        """Write the bytes to ``target``. Raises :class:`Damaged`, or :class:`TooLong` past ``limit`` bytes."""
        for piece in self._pieces(limit):
            target.write(piece)

    def read(self, limit: int) -> bytes:
        """The bytes. Raises as :meth:`copy` does."""
        return b"".join(self._pieces(limit))

    def head(self) -> bytes:
        """The first bytes, as far as there are any."""
        try:
            with self.opened() as file:
                return file.read(HEAD_BYTES)
        except (*_BROKEN, OSError):
            return b""

    def _pieces(self, limit: int) -> Iterator[bytes]:
        total = 0
        try:
            with self.opened() as file:
                while piece := file.read(_CHUNK):
                    total += len(piece)
                    # Not only the claimed size counts: an archive may lie.
                    if total > limit:
                        raise TooLong
                    yield piece
        except (*_BROKEN, OSError) as error:
            raise Damaged from error


@contextmanager
def members(source: Path, names: Mapping[str, str] | None = None) -> Iterator[list[Member]]:
    """The files of a folder or a ``.zip``, in the order in which people count, without what systems put in beside.

    ``names``: what people call a folder's files, by the name that they have in it. Raises :class:`DatasetError` for
    anything else, and for more than 1,000 files.
    """
    if source.is_dir():
        yield _sorted(_of_folder(source, names or {}))
        return
    with source.open("rb") as file:
        if file.read(4) not in _ZIP:
            raise DatasetError("images_no_archive")
        if _directory_bytes(file) > MAX_DIRECTORY_BYTES:
            raise DatasetError("images_too_many_files", limit=MAX_FILES)
        try:
            archive = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise DatasetError("archive_broken", kind="zip") from error
        with archive:
            yield _sorted(_of_archive(archive))


def is_picture(path: Path) -> bool:
    """Whether a file is, by its content, a picture of any kind, trainable or not."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _numeral(digits: str) -> tuple[int, str, str]:
    """Ordered like the number, however many digits it has."""
    value = digits.lstrip("0")
    return len(value), value, digits


def _sorted(found: list[Member]) -> list[Member]:
    if len(found) > MAX_FILES:
        raise DatasetError("images_too_many_files", limit=MAX_FILES)
    return sorted(found, key=lambda member: (member.order, member.name))


def _of_folder(folder: Path, names: Mapping[str, str]) -> list[Member]:
    found = []
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _ignored(name + "/")]
        for file in files:
            place = Path(path, file)
            inside = place.relative_to(folder).as_posix()
            # A pipe would keep us waiting for ever.
            if place.is_file() and not _ignored(inside):
                found.append(Member(_clean(names.get(inside, inside)), place.stat().st_size, _file_opener(place)))
        if len(found) > MAX_FILES:
            break
    return found


def _file_opener(path: Path) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    return lambda: path.open("rb")


def _directory_bytes(file: IO[bytes]) -> int:
    """How long an archive says its list of files is, read where :mod:`zipfile` will read it; 0 where there is none."""
    start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_COMMENT - _END_BYTES)
    file.seek(start)
    tail = file.read()
    plain = len(tail) - _END_BYTES
    at = plain if tail[plain : plain + 4] == _END and tail.endswith(b"\0\0") else tail.rfind(_END)
    if at < 0:
        return 0
    claimed = int.from_bytes(tail[at + 12 : at + 16], "little")
    if at >= _END64_BYTES and tail[at - 20 : at - 16] == _END64_LOCATOR:
        place = at - _END64_BYTES
        claimed = max(claimed % 0xFFFF_FFFF, int.from_bytes(tail[place + 40 : place + 48], "little"))
    return claimed


def _of_archive(archive: zipfile.ZipFile) -> list[Member]:
    found = []
    for info in archive.infolist():
        name = _name(info)
        if info.is_dir() or _ignored(name):
            continue
        if info.flag_bits & _ENCRYPTED:
            raise DatasetError("archive_encrypted")
        found.append(Member(_clean(name), info.file_size, _member_opener(archive, info)))
    return found


def _member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    return lambda: archive.open(info)


def _name(info: zipfile.ZipInfo) -> str:
    """A name as it was meant: Windows writes Chinese names in its own encoding and does not say so."""
    name = info.filename
    if info.flag_bits & _UTF8_NAME or name.isascii():
        return name
    try:
        written = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "gb18030"):
        try:
            return written.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _clean(name: str) -> str:
    """macOS takes letters apart; the same name from elsewhere has to be the same text."""
    text = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return text.encode("utf-8", "replace").decode("utf-8")


def _ignored(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return (
        "__MACOSX" in parts
        or any(part.startswith(".") for part in parts if part not in (".", ".."))
        or parts[-1].lower() in _SYSTEM_FILES
    )
