"""One file out of a ``.gz`` or a ``.zip``, unpacked beside the result with bounds; nothing of it gets a name."""

import gzip
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from finetune.datasets.findings import shown
from finetune.errors import DatasetError

MAX_BYTES = 512 << 20
# A text packs to a tenth, a repetitive one to a hundredth; a bomb to a thousandth. Small files may do as they like.
MAX_RATIO = 200
_ALWAYS_BYTES = 16 << 20
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"


@dataclass(frozen=True, slots=True)
class Content:
    """What is read: a seekable file, the name of it as people know it, and the archive that it was in (or "")."""

    file: BinaryIO
    name: str
    archive: str = ""


@contextmanager
def opened(source: Path, name: str, folder: Path) -> Iterator[Content]:
    """The file itself, or the only file of an archive, unpacked to an unnamed one in ``folder``.

    Raises :class:`DatasetError` for an archive that is broken, encrypted, too large, or holds no or several files.
    """
    with source.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith(_GZIP):
            with tempfile.TemporaryFile(dir=folder) as target:
                _gunzip(file, target)
                yield Content(_rewound(target), name.removesuffix(".gz"), "gz")
        elif head in (_ZIP, _EMPTY_ZIP) and not is_workbook(file):
            with tempfile.TemporaryFile(dir=folder) as target:
                member = _unzip(file, target)
                yield Content(_rewound(target), member, "zip")
        else:
            yield Content(file, name)


def is_workbook(file: BinaryIO) -> bool:
    """Whether a file that begins like a ``.zip`` is an XLSX workbook. Leaves the file at its beginning."""
    try:
        with zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False
    finally:
        file.seek(0)


def _rewound(target: "tempfile._TemporaryFileWrapper[bytes] | IO[bytes]") -> BinaryIO:
    target.flush()
    target.seek(0)
    return target  # type: ignore[return-value]


def _gunzip(file: BinaryIO, target: IO[bytes]) -> None:
    packed = os.fstat(file.fileno()).st_size
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            _copy(stream, target, packed, "gz")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError("archive_broken", kind="gz") from error


def _unzip(file: BinaryIO, target: IO[bytes]) -> str:
    """The name of the member that was unpacked. The name is only text: nothing is ever opened by it."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not _ignored(info)]
            if len(members) != 1:
                names = shown(", ".join(_last(info.filename) for info in members), 120) or "–"
                raise DatasetError("archive_files", count=len(members), names=names)
            member = members[0]
            if member.flag_bits & 1:
                raise DatasetError("archive_encrypted")
            with archive.open(member) as stream:
                _copy(stream, target, max(member.compress_size, 1), "zip")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError) as error:
        raise DatasetError("archive_broken", kind="zip") from error
    return _last(member.filename)


def _ignored(info: zipfile.ZipInfo) -> bool:
    """Folders, and what systems put in beside the files."""
    parts = info.filename.split("/")
    return (
        info.is_dir() or "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] in ("Thumbs.db", "desktop.ini")
    )


def _last(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _copy(stream: "IO[bytes] | gzip.GzipFile", target: IO[bytes], packed: int, kind: str) -> None:
    limit = min(MAX_BYTES, max(packed * MAX_RATIO, _ALWAYS_BYTES))
    total = 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > limit:
            raise DatasetError("archive_too_large", kind=kind, limit=limit >> 20)
        target.write(chunk)
