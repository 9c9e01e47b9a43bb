"""Files that people send: on their way, and waiting to be fetched. A folder and nothing else."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from bot.chat.errors import Unavailable, Vanished

PIECE = 256 * 1024
# By then whoever was told of the file has stored it elsewhere, or never will.
KEPT_SECONDS = 24 * 3600
_HANDLE = re.compile(r"[0-9a-f]{32}")


class TooLarge(Exception):
    """More bytes came than are allowed."""


class Incoming:
    """The folder. A file under way ends in ``.part``; its name without that is the upload's handle."""

    def __init__(self, folder: Path, *, shared: bool = False) -> None:
        """``shared``: other processes receive files here, too."""
        self._folder = folder
        self._shared = shared

    async def prepare(self) -> None:
        """Make the folder, remove what was cut off by a stop and what nobody came for."""
        await asyncio.to_thread(self._prepare)

    async def receive(self, pieces: AsyncIterator[bytes], limit: int) -> tuple[str, int]:
        """Store a file; returns its handle and its size in bytes.

        Raises :class:`TooLarge`, ``OSError`` (no space), or whatever ``pieces`` raises; nothing is left then.
        """
        await asyncio.to_thread(self._sweep)
        handle = uuid4().hex
        part = self._folder / f"{handle}.part"
        size = 0
        file = await asyncio.to_thread(part.open, "xb")
        try:
            try:
                async for piece in pieces:
                    size += len(piece)
                    if size > limit:
                        raise TooLarge
                    await asyncio.to_thread(file.write, piece)
                await asyncio.to_thread(_settle, file)
            finally:
                await asyncio.to_thread(file.close)
            await asyncio.to_thread(part.rename, self._folder / handle)
        finally:
            # A no-op after the rename; also runs when the handler is cancelled, when awaiting is no more possible.
            part.unlink(missing_ok=True)
        return handle, size

    async def read(self, handle: str) -> AsyncIterator[bytes]:
        """The bytes of a file in pieces. Raises ``Vanished``, or ``Unavailable`` if the disk refuses."""
        if not _HANDLE.fullmatch(handle):
            raise Vanished(handle)
        try:
            file = await asyncio.to_thread((self._folder / handle).open, "rb")
            try:
                while piece := await asyncio.to_thread(file.read, PIECE):
                    yield piece
            finally:
                await asyncio.to_thread(file.close)
        except FileNotFoundError as error:
            raise Vanished(handle) from error
        except OSError as error:
            raise Unavailable(handle) from error

    async def drop(self, handle: str) -> None:
        """Remove a file that is not needed; one that is gone already is no error."""
        await asyncio.to_thread((self._folder / handle).unlink, missing_ok=True)

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - (KEPT_SECONDS if self._shared else 0)
        for part in self._folder.glob("*.part"):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime <= oldest:
                    part.unlink()
        self._sweep()

    def _sweep(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for path in self._folder.iterdir():
            # Another upload may sweep at the same time: what is gone is swept.
            with suppress(FileNotFoundError):
                if path.suffix != ".part" and path.stat().st_mtime < oldest:
                    path.unlink()


def _settle(file: BinaryIO) -> None:
    # What was accepted must still be there after a power cut.
    file.flush()
    os.fsync(file.fileno())
