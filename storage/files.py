"""Content-addressed files: written under a temporary name, synced, renamed; the same bytes twice are one file."""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PART = ".part"


class TooLarge(Exception):
    """More bytes came than allowed; nothing was kept."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file by the SHA-256 of its bytes (hex) and its size in bytes."""

    digest: str
    size: int


class FileStore:
    """A folder of immutable files, two levels deep by digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def sweep(self, older_than: float = 0.0) -> None:
        """Remove what a dead process left half-written, so many seconds ago at least: others may be writing."""
        oldest = time.time() - older_than
        for part in self.folder.glob(f"*{_PART}"):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime <= oldest:
                    part.unlink()

    def path(self, digest: str) -> Path:
        """Where the file of a digest lies, whether or not it is there."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError("not a digest")
        return self.folder / digest[:2] / digest

    def temporary(self) -> Path:
        """A name to write to; hand the finished file to :meth:`adopt`."""
        return self.folder / f"{secrets.token_hex(8)}{_PART}"

    async def put(self, data: bytes) -> str:
        """Keep bytes; returns their digest."""
        part = self.temporary()
        await asyncio.to_thread(part.write_bytes, data)
        return (await self.adopt(part)).digest

    async def receive(
        self, chunks: AsyncIterator[bytes], limit: int, progress: Callable[[int], None] = lambda _: None
    ) -> StoredFile:
        """Keep a stream of at most ``limit`` bytes. Raises :class:`TooLarge`; a broken stream leaves nothing."""
        part = self.temporary()
        size = 0
        try:
            with part.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise TooLarge
                    await asyncio.to_thread(file.write, chunk)
                    progress(size)
            return await self.adopt(part)
        finally:
            part.unlink(missing_ok=True)

    async def adopt(self, part: Path) -> StoredFile:
        """Take over a finished file under its digest."""
        return await asyncio.to_thread(self._adopt, part)

    def _adopt(self, part: Path) -> StoredFile:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            os.fsync(file.fileno())
        target = self.path(digest)
        if target.exists():
            part.unlink()
        else:
            target.parent.mkdir(exist_ok=True)
            part.rename(target)
            _sync_folder(target.parent)
        return StoredFile(digest, size)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's bytes (hex). Blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
