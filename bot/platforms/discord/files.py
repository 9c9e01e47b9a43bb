"""Files that people sent: downloaded in pieces, never held in memory whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from bot.chat.errors import PlatformError, Refused, Unavailable, Vanished
from bot.chat.events import Upload
from bot.platforms.discord.updates import handle_of

_PIECE = 256 * 1024
_GONE = (401, 403, 404, 410)
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=20)

# The message with this id in this channel, as the API writes it.
Look = Callable[[str, str], Awaitable[dict[str, Any]]]


class Downloads:
    """Reads files from Discord's storage. Their addresses end after some hours; the message has fresh ones."""

    def __init__(self, look: Look, most_bytes: int) -> None:
        self._look = look
        self._most = most_bytes

    async def read(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes in pieces. Raises ``Vanished``, ``Unavailable``, and ``Refused`` for a file that is too big."""
        if upload.size is not None and upload.size > self._most:
            raise Refused(f"the file has {upload.size} bytes, {self._most} are allowed")
        found = handle_of(upload)
        if found is None:
            raise Vanished("not a file of Discord's")
        channel, message, attachment, address = found
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            response = await self._get(session, address)
            if response.status in _GONE and message:
                response.release()
                response = await self._get(session, await self._fresh(channel, message, attachment))
            try:
                async for piece in self._pieces(response, upload):
                    yield piece
            finally:
                response.close()

    async def _get(self, session: aiohttp.ClientSession, address: str) -> aiohttp.ClientResponse:
        try:
            return await session.get(address)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from error

    async def _fresh(self, channel: str, message: str, attachment: str) -> str:
        try:
            raw = await self._look(channel, message)
        except Unavailable:
            raise
        except PlatformError as error:
            raise Vanished(str(error)) from error
        for each in raw.get("attachments", ()):
            if str(each["id"]) == attachment:
                return str(each["url"])
        raise Vanished("the file was taken from its message")

    async def _pieces(self, response: aiohttp.ClientResponse, upload: Upload) -> AsyncIterator[bytes]:
        if response.status in _GONE:
            raise Vanished(f"HTTP {response.status}")
        if response.status != 200:
            raise Unavailable(f"HTTP {response.status}")
        count = 0
        try:
            async for piece in response.content.iter_chunked(_PIECE):
                count += len(piece)
                if count > self._most:
                    raise Refused(f"the file has more than {self._most} bytes")
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from error
        if upload.size is not None and count != upload.size:
            raise Unavailable(f"{count} of {upload.size} bytes arrived")
