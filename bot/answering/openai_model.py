"""Any OpenAI-compatible endpoint, asked with the ``openai`` SDK.

The SDK sends the request, over aiohttp as it recommends for many answers at once, and tells what went wrong. Its
typed chunks are not used: making one takes three times as long as everything else that is done with a token.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import openai
import orjson
from openai import AsyncOpenAI, DefaultAioHttpClient

from bot.answering.events import EventTooLong, data_of
from bot.answering.model import ModelError, Piece, Said

_CONNECT = 5.0  # seconds
_SDK_ARGUMENTS = frozenset(
    {"temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty"}
)
# What servers call the text that a model says to itself.
_THOUGHTS = ("reasoning_content", "reasoning")
_LONGEST_PAUSE = 3600.0
_MISSING = "20012"


class OpenAIModel:
    """One model of one endpoint. ``extra_body`` goes into every request (an adapter's choice, for example)."""

    def __init__(
        self, client: AsyncOpenAI, model: str, extra_body: Mapping[str, object], *, prefills: bool = False
    ) -> None:
        self._client = client
        self._model = model
        self._extra_body = dict(extra_body)
        self.prefills = prefills

    async def stream(self, prompt: Sequence[Said], sampling: Mapping[str, object]) -> AsyncGenerator[Piece]:
        """The answer as it comes; see :class:`bot.answering.model.ChatModel`."""
        arguments: dict[str, Any] = {name: value for name, value in sampling.items() if name in _SDK_ARGUMENTS}
        extra = sampling.get("extra_body")
        messages: list[Any] = [{"role": said.role, "content": said.content} for said in prompt]
        finished, halves = False, _Halves()
        try:
            async with (
                self._client.chat.completions.with_streaming_response.create(
                    model=self._model,
                    messages=messages,
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_body={**(extra if isinstance(extra, dict) else {}), **self._extra_body},
                    **arguments,
                ) as response,
                aclosing(_bytes(response)) as pieces,
            ):
                async for data in data_of(pieces):
                    if data == b"[DONE]":
                        finished = True
                        break
                    piece = _piece(data)
                    if piece is not None:
                        finished = finished or piece.finish is not None
                        yield halves.joined(piece)
        except openai.APIError as error:
            raise ModelError(_code(error), _pause(error)) from error
        except EventTooLong as error:
            raise ModelError("broken") from error
        if not finished:
            raise ModelError("cut_off")


async def _bytes(response: Any) -> AsyncGenerator[bytes]:
    try:
        async for piece in response.iter_bytes():
            yield piece
    except (openai.APIError, GeneratorExit):
        raise
    except Exception as error:
        # The transport's own errors: the SDK translates them only for the streams that it reads itself.
        raise ModelError("cut_off") from error


def client_of(base_url: str, api_key: str) -> AsyncOpenAI:
    """A client of the SDK that asks once.

    For how long a word is waited is for whoever asks: aiohttp would set a timer anew at each datum, a tenth of all
    that is done with a token, and takes a server's "still here" for a word.
    """
    return AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        timeout=openai.Timeout(None, connect=_CONNECT),
        max_retries=0,
        http_client=_http_client(base_url),
    )


def _http_client(base_url: str) -> Any:
    # There is no TLS on loopback, and its set-up costs as much as a tenth of the time to the first word.
    plain = base_url.startswith("http://127.0.0.1:")
    return DefaultAioHttpClient(verify=not plain, trust_env=not plain, follow_redirects=not plain)


class _Halves:
    """Some servers cut between the two halves of a character beyond the 65,536 first, and send each by itself."""

    def __init__(self) -> None:
        self._held = ""

    def joined(self, piece: Piece) -> Piece:
        """The piece with whole characters; a first half at its end waits for the next one."""
        if not self._held and piece.text.isascii() and piece.thought.isascii():
            return piece
        text, self._held = self._held + piece.text, ""
        if piece.finish is None and "\ud800" <= text[-1:] <= "\udbff":
            text, self._held = text[:-1], text[-1:]
        return replace(piece, text=_whole(text), thought=_whole(piece.thought))


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _loaded(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # It takes no half of a character, which the other one does.
        return json.loads(data)


def _piece(data: bytes) -> Piece | None:
    """What one event says. Raises :class:`ModelError` for an error in the middle of a stream."""
    try:
        chunk = _loaded(data)
    except ValueError as error:
        raise ModelError("broken") from error
    if not isinstance(chunk, dict):
        raise ModelError("broken")
    if chunk.get("error"):
        raise ModelError(_stream_error(chunk["error"]))
    usage = chunk.get("usage")
    tokens = (usage.get("prompt_tokens"), usage.get("completion_tokens")) if isinstance(usage, dict) else (None, None)
    choices = chunk.get("choices")
    if not choices or not isinstance(choices[0], dict):
        return Piece(prompt_tokens=tokens[0], completion_tokens=tokens[1]) if tokens != (None, None) else None
    choice = choices[0]
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        delta = {}
    thought = next((delta[name] for name in _THOUGHTS if isinstance(delta.get(name), str) and delta[name]), "")
    finish = choice.get("finish_reason")
    return Piece(_text(delta.get("content")), finish if isinstance(finish, str) and finish else None, *tokens, thought)


def _text(content: object) -> str:
    """What is said: a text, or a list of parts of which some are text."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _stream_error(error: object) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return "busy" if code in (429, 503, "429", "503") else "cut_off"


def _code(error: openai.APIError) -> str:
    if isinstance(error, openai.APIConnectionError):
        return "unreachable"
    if isinstance(error, openai.RateLimitError):
        return "busy"
    if isinstance(error, openai.NotFoundError) or _says_missing(error):
        return "model_missing"
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return "refused"
    if isinstance(error, openai.InternalServerError):
        return "busy"
    return "broken"


def _says_missing(error: openai.APIError) -> bool:
    """Whether a refusal is SiliconFlow's for a model that is not there: its bodies are ``{code, message, data}``."""
    return isinstance(error.body, dict) and str(error.body.get("code")) == _MISSING


def _pause(error: openai.APIError) -> float | None:
    """Seconds that the server asks to be left alone; a date is not understood and is no promise either."""
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        return min(max(0.0, float(error.response.headers.get("retry-after", ""))), _LONGEST_PAUSE)
    except ValueError:
        return None
