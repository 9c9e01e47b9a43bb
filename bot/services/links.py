"""Files behind links: only from hosts that whoever runs the bot allowed, redirects included."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from bot.chat.errors import UserError

_REDIRECTS = 5
_CONNECT_SECONDS = 20
_TOTAL_SECONDS = 1800
_CHUNK = 1 << 16


def is_link(text: str) -> bool:
    """Whether a text is one web address and nothing else."""
    return text.startswith(("http://", "https://")) and not any(letter.isspace() for letter in text)


class Links:
    """``hosts``: names, with a port where it is not the usual one. ``max_bytes`` bounds a file."""

    def __init__(self, hosts: Sequence[str], max_bytes: int) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self.max_bytes = max_bytes

    @asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """The file's name and its bytes in pieces. Raises ``UserError`` before anything is read.

        The pieces raise ``UserError`` ``link_failed`` when the connection breaks in the middle.
        """
        timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS, sock_read=_CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            response = await self._reach(session, address)
            async with response:
                size = response.content_length
                if size is not None and size > self.max_bytes:
                    raise UserError("upload_too_large", limit=self.max_bytes // 1_000_000)
                yield _name(str(response.url)), _pieces(response)

    async def _reach(self, session: aiohttp.ClientSession, address: str) -> aiohttp.ClientResponse:
        for _ in range(_REDIRECTS):
            self._check(address)
            try:
                response = await session.get(address, allow_redirects=False)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise UserError("link_failed", reason=type(error).__name__) from error
            if response.status == 200:
                return response
            response.release()
            where = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or where is None:
                raise UserError("link_failed", reason=f"HTTP {response.status}")
            address = urljoin(address, where)
        raise UserError("link_failed", reason="redirects")

    def _check(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
            named = f"{host}:{parts.port}" if parts.port else host
        except ValueError:
            raise UserError("link_needed") from None
        if parts.scheme not in ("http", "https") or parts.username or named.lower() not in self._hosts:
            raise UserError("link_host", host=named[:80] or "–", known=", ".join(sorted(self._hosts)) or "–")


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in response.content.iter_chunked(_CHUNK):
            yield piece
    except (TimeoutError, aiohttp.ClientError) as error:
        raise UserError("link_failed", reason=type(error).__name__) from error


def _name(address: str) -> str:
    """The last part of an address's path; it is only text."""
    return unquote(urlsplit(address).path).rsplit("/", 1)[-1][:120] or "dataset"
