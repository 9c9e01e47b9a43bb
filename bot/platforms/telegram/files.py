"""Files that people sent: downloaded in pieces, never held in memory whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
from telegram import Bot, File

from bot.chat.errors import Refused, Throttled, Unavailable, Unconfirmed, Vanished
from bot.chat.events import Upload
from bot.platforms.telegram.errors import telegram_errors
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.transport import CONNECT_SECONDS, READ_SECONDS, is_loopback

log = safe_logger(__name__)

_PIECE = 256 * 1024
_GONE = (401, 403, 404, 410)
# A local Bot API server answers where a file is when it has all of it.
_LOCAL_SECONDS = 900.0
# Seconds before Telegram is asked again where a file is, unless it says itself how long.
_PAUSES = (1.0, 4.0)
_LONGEST_PAUSE = 60.0


class Downloads:
    """Reads files from the cloud server, or from the disk that a local Bot API server shares with us."""

    def __init__(self, bot: Bot, base: str, *, local: bool, most_bytes: int) -> None:
        self._bot = bot
        self._base = base
        self._local = local
        self._most = most_bytes

    async def read(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes in pieces. Raises ``Vanished``, ``Unavailable``, and ``Refused`` for a file that is too big."""
        if upload.size is not None and upload.size > self._most:
            raise Refused(f"the file has {upload.size} bytes, {self._most} are allowed")
        file = await self._found(upload.handle)
        path = (file.file_path or "").removeprefix(f"{self._base}/")
        if not path:
            raise Vanished(upload.handle)
        pieces = self._from_disk(Path(path)) if self._local and Path(path).is_absolute() else self._from_server(path)
        count = 0
        async for piece in pieces:
            count += len(piece)
            if count > self._most:
                raise Refused(f"the file has more than {self._most} bytes")
            yield piece
        _check(file, count)

    async def _found(self, handle: str) -> File:
        """What Telegram knows of a file. To ask again changes nothing there."""
        for pause in (*_PAUSES, None):
            try:
                with telegram_errors():
                    return await self._bot.get_file(
                        handle, read_timeout=_LOCAL_SECONDS if self._local else READ_SECONDS
                    )
            except (Throttled, Unavailable, Unconfirmed) as error:
                if pause is None:
                    raise Unavailable(type(error).__name__) from error
                wait = min(error.retry_after, _LONGEST_PAUSE) if isinstance(error, Throttled) else pause
            await asyncio.sleep(wait)
        raise AssertionError

    async def _from_disk(self, path: Path) -> AsyncIterator[bytes]:
        try:
            stream = await asyncio.to_thread(path.open, "rb")
        except OSError as error:
            log.error(
                "a file of the local Bot API server cannot be read: give this process access to its working folder"
            )
            raise Vanished(type(error).__name__) from error
        with stream:
            while piece := await asyncio.to_thread(stream.read, _PIECE):
                yield piece

    async def _from_server(self, path: str) -> AsyncIterator[bytes]:
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=not is_loopback(self._base)) as client,
                client.stream("GET", f"{self._base}/{quote(path)}") as response,
            ):
                if response.status_code in _GONE:
                    raise Vanished(f"HTTP {response.status_code}")
                if not response.is_success:
                    raise Unavailable(f"HTTP {response.status_code}")
                async for piece in response.aiter_bytes(_PIECE):
                    yield piece
        except httpx.HTTPError as error:
            raise Unavailable(type(error).__name__) from error


def _check(file: File, count: int) -> None:
    if file.file_size is not None and file.file_size != count:
        raise Unavailable(f"{count} of {file.file_size} bytes arrived")
