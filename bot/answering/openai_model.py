"""Any OpenAI-compatible endpoint, asked with the ``openai`` SDK."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from bot.answering.model import ModelError, Piece, Said

# No word for so long means that none will come; a slow machine reads a long history within it.
_TIMEOUT = openai.Timeout(60.0, connect=5.0)
_SDK_ARGUMENTS = frozenset(
    {"temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty"}
)


class OpenAIModel:
    """One model of one endpoint. ``extra_body`` goes into every request (an adapter's choice, for example)."""

    def __init__(self, base_url: str, api_key: str, model: str, extra_body: Mapping[str, object]) -> None:
        self._client = client_of(base_url, api_key)
        self._model = model
        self._extra_body = dict(extra_body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(self, prompt: Sequence[Said], sampling: Mapping[str, object]) -> AsyncGenerator[Piece]:
        """The answer as it comes; see :class:`bot.answering.model.ChatModel`."""
        arguments: dict[str, Any] = {name: value for name, value in sampling.items() if name in _SDK_ARGUMENTS}
        extra = sampling.get("extra_body")
        messages: list[Any] = [{"role": said.role, "content": said.content} for said in prompt]
        try:
            response = await self._client.chat.completions.create(
                model=self._model,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={**(extra if isinstance(extra, dict) else {}), **self._extra_body},
                **arguments,
            )
            finished = False
            async with response, aclosing(response.__aiter__()) as chunks:
                async for chunk in chunks:
                    piece = _piece(chunk)
                    finished = finished or piece.finish is not None
                    yield piece
        except openai.APIError as error:
            raise ModelError(_code(error)) from error
        if not finished:
            raise ModelError("cut_off")


def client_of(base_url: str, api_key: str) -> AsyncOpenAI:
    """A client of the SDK that asks once. One of this machine's own servers does not read certificates first."""
    plain = base_url.startswith("http://127.0.0.1:")
    return AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        timeout=_TIMEOUT,
        max_retries=0,
        # There is no TLS on loopback, and its set-up costs as much as a tenth of the time to the first word.
        http_client=DefaultAsyncHttpxClient(verify=False, follow_redirects=False) if plain else None,
    )


def _piece(chunk: Any) -> Piece:
    usage = chunk.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    if not chunk.choices:
        return Piece(prompt_tokens=tokens[0], completion_tokens=tokens[1])
    choice = chunk.choices[0]
    text = (choice.delta.content if choice.delta else None) or ""
    return Piece(text, choice.finish_reason, *tokens)


def _code(error: openai.APIError) -> str:
    if isinstance(error, openai.APITimeoutError):
        return "no_word"
    if isinstance(error, openai.APIConnectionError):
        return "unreachable"
    if isinstance(error, openai.RateLimitError):
        return "busy"
    if isinstance(error, openai.NotFoundError):
        return "model_missing"
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return "refused"
    if isinstance(error, openai.InternalServerError):
        return "busy"
    return "broken"
