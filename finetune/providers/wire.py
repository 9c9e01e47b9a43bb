"""HTTP to a provider that has no SDK which we use: JSON in, JSON out, every fault as an error with a code.

The key goes into the header and nowhere else: what a provider says is shown without it.
"""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from finetune.errors import ProviderUnavailable
from finetune.providers.faults import odd, refused, shortened

_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=600, connect=10)


class Wire:
    """One provider's API under ``base_url``."""

    def __init__(self, provider: str, base_url: str, key: str, *, timeout: aiohttp.ClientTimeout = _TIMEOUT) -> None:
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def json(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        form: aiohttp.FormData | None = None,
        query: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - the library's own
    ) -> dict[str, Any]:
        """The object that was answered. Raises ``ProviderError``, ``ProviderUnavailable``; nothing is asked twice."""
        status, data, headers = await self._ask(method, path, body, form, query, timeout or self._timeout)
        found = _object(data)
        if status >= 400:
            code, message = _words(found, data)
            raise refused(
                self.provider, status, self._clean(message), code=code, retry_after=headers.get("Retry-After")
            )
        if found is None:
            raise ProviderUnavailable(
                "provider_not_json",
                provider=self.provider,
                status=str(status),
                detail=self._clean(shortened(data[:400].decode("utf-8", "replace"))),
            )
        return found

    async def fetch(self, url: str, most: int) -> tuple[bytes, str]:
        """A file that an answer pointed to, and its media type; asked without the key."""
        try:
            async with self._opened().get(url, timeout=self._timeout) as response:
                if response.status >= 400:
                    raise refused(self.provider, response.status, response.reason or "")
                data = await response.content.read(most + 1)
                while len(data) <= most and not response.content.at_eof():
                    data += await response.content.read(most + 1 - len(data))
                if len(data) > most:
                    raise odd(self.provider, f"more than {most} bytes")
                return data, response.content_type
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._fault(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self,
        method: str,
        path: str,
        body: object,
        form: aiohttp.FormData | None,
        query: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own
    ) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            async with self._opened().request(
                method,
                self.base_url + path,
                json=body if form is None else None,
                data=form,
                params=query,
                timeout=timeout,
                headers={"Authorization": f"Bearer {self._key}"},
                allow_redirects=False,
            ) as response:
                return response.status, await response.read(), response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._fault(error) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(trust_env=True)
        return self._session

    def _fault(self, error: Exception) -> ProviderUnavailable:
        if isinstance(error, aiohttp.ClientConnectorError):
            code = "provider_unreachable"
        elif isinstance(error, TimeoutError):
            code = "provider_timeout"
        else:
            code = "provider_lost"
        return ProviderUnavailable(code, provider=self.provider, status="", detail=self._clean(type(error).__name__))

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(found: Mapping[str, Any] | None, data: bytes) -> tuple[object, str]:
    """(code, message) of an error's body, whichever of the known shapes it has: ``{code, message}``,
    ``{error: {code, message}}``, ``{error: "…"}``; else the beginning of what came.
    """
    if found is None:
        return "", data[:200].decode("utf-8", "replace")
    error = found.get("error")
    inner = error if isinstance(error, dict) else found
    message = inner.get("message") or (error if isinstance(error, str) else "")
    return inner.get("code") or "", str(message)
