"""Is a prompt at serving the prompt of the training? Both are rendered and compared.

Training's side is what :class:`finetune.providers.provider.Template` tells: everything before the first learned token.
Serving's side is what the server itself makes of the same messages (``/apply-template`` and ``/tokenize`` of
llama.cpp's server), or where it has no such thing the number of prompt tokens that it counts for a request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from finetune.errors import FineTuneError
from finetune.evaluation.answers import Ask
from finetune.evaluation.gates import UNKNOWN
from finetune.providers.provider import Endpoint, Piece, Template

SAME, DIFFERS = "same", "differs"
_ALL = 1 << 20  # tokens: nothing is cut
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Parity:
    """``state``: same, differs or unknown. ``training``, ``serving``: tokens of the prompt, where they were counted."""

    state: str
    training: int | None = None
    serving: int | None = None


async def parity(provider: object, base: str, row: Sequence[Mapping[str, str]], endpoint: Endpoint, ask: Ask) -> Parity:
    """Compare the prompt of a training row (it ends with an answer). Raises what ``ask`` raises."""
    if not isinstance(provider, Template) or not row or row[-1]["role"] != "assistant":
        return Parity(UNKNOWN)
    prompt = row[:-1]
    try:
        text, tokens = _prompt(await provider.pieces(base, row, _ALL), sum(m["role"] == "assistant" for m in prompt))
    except FineTuneError:
        return Parity(UNKNOWN)
    served = await _served(endpoint, prompt)
    if served is not None:
        same = served == (text, tokens)
        return Parity(SAME if same else DIFFERS, tokens, served[1])
    counted = (await ask(prompt, {"max_tokens": 1, "temperature": 0})).prompt_tokens
    if counted is None:
        return Parity(UNKNOWN, tokens)
    return Parity(SAME if counted == tokens else DIFFERS, tokens, counted)


def _prompt(pieces: Sequence[Piece], answers: int) -> tuple[str, int]:
    """Text and tokens of all that stands before the last answer; ``answers``: how many stand in it."""
    found: list[Piece] = []
    for piece in pieces:
        if piece.learned:
            if answers == 0:
                break
            answers -= 1
        found.append(piece)
    return "".join(piece.text for piece in found), sum(piece.tokens for piece in found)


async def _served(endpoint: Endpoint, prompt: Sequence[Mapping[str, str]]) -> tuple[str, int] | None:
    """What the server makes of a prompt; None where it does not tell."""
    root = endpoint.base_url.removesuffix("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(_SECONDS)) as client:
            rendered = await _posted(client, f"{root}/apply-template", {"messages": [dict(each) for each in prompt]})
            text = rendered.get("prompt")
            if not isinstance(text, str):
                return None
            asked = {"content": text, "add_special": False, "parse_special": True}
            tokens = (await _posted(client, f"{root}/tokenize", asked)).get("tokens")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return (text, len(tokens)) if isinstance(tokens, list) else None


async def _posted(client: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    async with client.post(url, json=body) as response:
        response.raise_for_status()
        found = await response.json()
    return found if isinstance(found, dict) else {}
