"""Calls through the ``openai`` SDK, whose answers are read as plain JSON: providers add fields, leave out others, and
on a bad day answer with something else altogether.

The SDK's own repeats are off: it would create a job twice whose first answer was lost.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai
from openai import AsyncOpenAI

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.providers.faults import odd, refused, shortened

_CONNECT = 10.0


class Sdk:
    """One provider's client."""

    def __init__(self, provider: str, base_url: str, key: str, *, seconds: float = 60.0) -> None:
        self.provider = provider
        self.base_url = base_url
        self._key = key
        self.client = AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            timeout=openai.Timeout(seconds, connect=_CONNECT),
        )

    async def json(self, call: Callable[[Any], Awaitable[Any]]) -> dict[str, Any]:
        """The object that was answered. ``call`` is given the client and uses a method's raw form.

        Raises ``ProviderError`` and ``ProviderUnavailable``.
        """
        try:
            response = await call(self.client)
            data: bytes = response.http_response.content
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except openai.APITimeoutError as error:
            code = "provider_unreachable" if "Connect" in type(error.__cause__).__name__ else "provider_timeout"
            raise self._unavailable(code, error) from error
        except openai.APIConnectionError as error:
            code = "provider_unreachable" if "Connect" in type(error.__cause__).__name__ else "provider_lost"
            raise self._unavailable(code, error) from error
        except openai.OpenAIError as error:
            raise self._unavailable("provider_odd", error) from error
        try:
            found = json.loads(data)
        except ValueError as error:
            words = self._clean(shortened(data[:400].decode("utf-8", "replace")))
            raise ProviderUnavailable(
                "provider_not_json", provider=self.provider, status="200", detail=words
            ) from error
        if not isinstance(found, dict):
            raise odd(self.provider, "no object")
        return found

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.close()

    def _refused(self, error: openai.APIStatusError) -> ProviderError:
        body = error.body
        inner = body.get("error", body) if isinstance(body, Mapping) else {}
        inner = inner if isinstance(inner, Mapping) else {"message": str(inner)}
        message = str(inner.get("message") or error.response.text[:200])
        return refused(
            self.provider,
            error.status_code,
            self._clean(message),
            code=inner.get("code") or "",
            retry_after=error.response.headers.get("retry-after"),
        )

    def _unavailable(self, code: str, error: Exception) -> ProviderUnavailable:
        cause = error.__cause__ or error
        return ProviderUnavailable(code, provider=self.provider, status="", detail=type(cause).__name__)

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def rows_of(provider: str, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a list. Raises ``provider_odd``."""
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise odd(provider, "no list")
    return [row for row in rows if isinstance(row, dict)]
