"""Asking an OpenAI-compatible endpoint with the ``openai`` SDK."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai
from openai import AsyncOpenAI

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.evaluation.answers import Ask, Reply
from finetune.evaluation.questions import Message
from finetune.providers.provider import Endpoint

_ARGUMENTS = frozenset({"temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty"})
_SECONDS = 180.0
_CONNECT = 5.0
_TRIES = 4


def connected(endpoint: Endpoint) -> AsyncOpenAI:
    """A client of an endpoint, to be closed by whoever asked for it."""
    # The SDK follows redirects and the environment's proxy; neither is meant for loopback, and neither hurts there.
    return AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        timeout=openai.Timeout(_SECONDS, connect=_CONNECT),
        max_retries=_TRIES,
    )


@contextmanager
def failures() -> Iterator[None]:
    """The SDK's errors as ours."""
    try:
        yield
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise ProviderUnavailable("model_silent", reason=type(error).__name__) from error
    except openai.APIError as error:
        raise ProviderError("model_refused", reason=type(error).__name__) from error


@asynccontextmanager
async def asker(endpoint: Endpoint) -> AsyncIterator[Ask]:
    """Asks one endpoint, trying again what may pass (the SDK waits as long as the server says).

    What it gives raises :class:`ProviderUnavailable` ``model_silent`` or :class:`ProviderError` ``model_refused``.
    """
    async with connected(endpoint) as client:

        async def ask(prompt: Sequence[Message], sampling: Mapping[str, object]) -> Reply:
            arguments: dict[str, Any] = {name: value for name, value in sampling.items() if name in _ARGUMENTS}
            extra = sampling.get("extra_body")
            messages: list[Any] = [dict(message) for message in prompt]
            with failures():
                answer = await client.chat.completions.create(
                    model=endpoint.model,
                    messages=messages,
                    extra_body={**(extra if isinstance(extra, dict) else {}), **endpoint.extra_body},
                    **arguments,
                )
            if not answer.choices:
                raise ProviderError("model_refused", reason="no choices")
            choice, usage = answer.choices[0], answer.usage
            return Reply(
                choice.message.content or "",
                choice.finish_reason or "",
                usage.prompt_tokens if usage else None,
                usage.completion_tokens if usage else None,
            )

        yield ask
