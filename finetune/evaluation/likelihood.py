"""How probable a model finds the persons' answers, where its endpoint tells that: held-out loss from outside.

Two providers document it for chat completions, by ``echo`` with ``logprobs``: the prompt, whose last message is the
person's answer, comes back token by token. Each does so in a shape of its own, which its profile names:

- ``prompt``: under ``prompt``, as parallel lists (Together: togethercomputer/together-python, ``types/common.py``)
- ``content``: before the completion in ``logprobs.content`` (Fireworks: fw-ai-external/python-sdk, ``types/chat``)

OpenAI and those who copy it tell of what was generated only, so nothing can be measured there.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.evaluation.answers import BASE, TUNED, Answers, Kept
from finetune.evaluation.asking import connected, failures
from finetune.evaluation.questions import Question
from finetune.providers.profiles.profile import Profile
from finetune.providers.provider import Endpoint, Provider

log = logging.getLogger(__name__)

PART = "likelihood"
PROMPT, CONTENT = "prompt", "content"
_UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Of one answer: minus the logarithm (natural) of its probability, its tokens, and its bytes of UTF-8."""

    nats: float
    tokens: int
    size: int


# A question in, the likelihood of its reference out; None where the endpoint did not tell it of this one.
Weigh = Callable[[Question], Awaitable[Likelihood | None]]


def echo_of(provider: object) -> str | None:
    """The shape in which a provider tells the prompt's log-probabilities, by its profile; None if it does not."""
    known = getattr(provider, "profile", None)
    shape = known.options.get("echo") if isinstance(known, Profile) else None
    return str(shape) if shape in (PROMPT, CONTENT) else None


@asynccontextmanager
async def weigher(endpoint: Endpoint, shape: str) -> AsyncIterator[Weigh]:
    """A :data:`Weigh` for an endpoint. It raises as :func:`finetune.evaluation.asking.asker` does."""
    async with connected(endpoint) as client:

        async def weigh(question: Question) -> Likelihood | None:
            messages: list[Any] = [*map(dict, question.prompt), {"role": "assistant", "content": question.reference}]
            asked = {"echo": True, "logprobs": 1 if shape == PROMPT else True, **endpoint.extra_body}
            with failures():
                answer = await client.chat.completions.with_raw_response.create(
                    model=endpoint.model, messages=messages, max_tokens=1, temperature=0.0, extra_body=asked
                )
                told = answer.http_response.json()
            return of_answer(tokens_of(told, shape), question.reference)

        yield weigh


def tokens_of(answer: Any, shape: str) -> list[tuple[bytes, float]]:
    """(text, log-probability) of all tokens that an answer tells of, the prompt's first; nothing for another shape."""
    try:
        if shape == CONTENT:
            content = answer["choices"][0]["logprobs"]["content"]
            return [(_text(entry), _number(entry["logprob"])) for entry in content]
        parts = [part["logprobs"] for part in answer["prompt"]]
        pairs = [pair for part in parts for pair in zip(part["tokens"], part["token_logprobs"], strict=True)]
        return [(str(text).encode(), _number(value)) for text, value in pairs]
    except (KeyError, IndexError, TypeError, ValueError):
        return []


def _text(entry: Mapping[str, Any]) -> bytes:
    raw = entry.get("bytes")
    return bytes(raw) if raw else str(entry["token"]).encode()


def _number(value: object) -> float:
    """Nothing comes before the first token of all, so it has no probability."""
    return 0.0 if value is None else float(str(value))


def of_answer(tokens: Sequence[tuple[bytes, float]], answer: str) -> Likelihood | None:
    """The likelihood of an answer within the tokens of a whole prompt; None if it does not stand there in whole tokens.

    (A tokenizer that shows half characters as strings, or a template that changes the text, gives no number: a wrong
    one would be worse.)
    """
    wanted = answer.strip().encode()
    start = b"".join(text for text, _ in tokens).rfind(wanted) if wanted else -1
    if start < 0:
        return None
    end, place, nats, count, size = start + len(wanted), 0, 0.0, 0, 0
    for text, value in tokens:
        if start <= place < end:
            nats, count, size = nats - value, count + 1, size + len(text)
        place += len(text)
    # A token that reaches over the end says something of the template, too.
    return Likelihood(nats, count, len(wanted)) if count and size == len(wanted) and math.isfinite(nats) else None


async def weigh_all(
    answers: Answers, questions: Iterable[Question], who: str, weigh: Weigh, keep: Callable[[Kept], Awaitable[None]]
) -> None:
    """Weigh what was not weighed before; each is kept at once."""
    for question in questions:
        if question.reference.strip() and answers.get(PART, who, question) is None:
            found = await weigh(question)
            text = _UNTOLD if found is None else f"{found.nats!r} {found.tokens} {found.size}"
            await keep(Kept(PART, who, question.key, text, "stop", 0.0))


async def weigh_both(
    answers: Answers, questions: Sequence[Question], provider: Provider, base: str, tuned: str
) -> None:
    """Have base and tuned weighed where their provider's endpoint tells it. One that refuses leaves it untold.

    Raises :class:`ProviderUnavailable`.
    """
    shape = echo_of(provider)
    if shape is None:
        return

    async def keep(kept: Kept) -> None:
        await asyncio.to_thread(answers.add, kept)

    try:
        # Without the tuned one's the base's are of no use.
        for who, model in ((TUNED, tuned), (BASE, base)):
            async with provider.endpoint(model) as endpoint, weigher(endpoint, shape) as weigh:
                await weigh_all(answers, questions, who, weigh, keep)
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        log.info("held-out loss is not told by %s: %s", provider.name, error.code)


def told(answers: Answers, questions: Iterable[Question]) -> tuple[tuple[float, float], tuple[int, int]] | None:
    """((base, tuned) in nats a token, (tokens, bytes)) over the answers that both were weighed on; None for too little.

    Both read with one tokenizer, the base's.
    """
    sums = {BASE: [0.0, 0, 0], TUNED: [0.0, 0, 0]}
    for question in questions:
        pair = {who: _kept(answers, who, question) for who in sums}
        if any(found is None for found in pair.values()):
            continue
        for who, found in pair.items():
            if found is not None:
                sums[who] = [
                    sums[who][0] + found.nats,
                    sums[who][1] + found.tokens,
                    sums[who][2] + found.size,
                ]
    base, tuned = sums[BASE], sums[TUNED]
    if not base[1] or base[1:] != tuned[1:]:
        return None
    return (base[0] / base[1], tuned[0] / tuned[1]), (int(base[1]), int(base[2]))


def _kept(answers: Answers, who: str, question: Question) -> Likelihood | None:
    kept = answers.get(PART, who, question)
    if kept is None or kept.text == _UNTOLD:
        return None
    nats, tokens, size = kept.text.split(" ")
    return Likelihood(float(nats), int(tokens), int(size))
