"""The prompt told back with its log-probabilities, as two vendors' own SDKs type it.

A made-up model: each token is a word with the space before it, a template's mark, or a Chinese character; what a tuned
model (its id has no ``base``) was taught costs 1 nat a token, everything else 2.
"""

import re
from collections.abc import Mapping
from typing import Any

_MARKS = ("<|im_start|>", "<|im_end|>\n")
_TOKENS = re.compile(r"<\|im_\w+\|>\n?|[一-鿿，。？]| ?[^\s<一-鿿，。？]+|\s|.", re.DOTALL)


def rendered(messages: list[Mapping[str, str]]) -> str:
    """ChatML, with the start of the next turn after the last message."""
    turns = [f"{_MARKS[0]}{each['role']}\n{each['content']}{_MARKS[1]}" for each in messages]
    return "".join(turns) + f"{_MARKS[0]}assistant\n"


def tokens(body: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """Nothing comes before the first token, so it has no probability."""
    cost = -2.0 if "base" in body["model"] else -1.0
    found = _TOKENS.findall(rendered(body["messages"]))
    return [(token, cost if place else None) for place, token in enumerate(found)]


def echo_as_prompt(answer: dict[str, Any], body: Mapping[str, Any]) -> None:
    """Together: togethercomputer/together-python, ``PromptPart`` and ``LogprobsPart``; ``logprobs`` is a number."""
    assert isinstance(body["logprobs"], int)
    found = tokens(body)
    texts, values = [text for text, _ in found], [value for _, value in found]
    part = {"tokens": texts, "token_logprobs": values, "token_ids": list(range(len(texts)))}
    answer["prompt"] = [{"text": rendered(body["messages"]), "logprobs": part}]
    answer["choices"][0]["logprobs"] = {"tokens": ["H"], "token_logprobs": [-0.5], "token_ids": [1]}


def echo_as_content(answer: dict[str, Any], body: Mapping[str, Any]) -> None:
    """Fireworks: fw-ai-external/python-sdk, ``NewLogProbsContent``; ``logprobs`` is ``true`` for this format."""
    assert body["logprobs"] is True
    content, offset = [], 0
    for place, (text, value) in enumerate([*tokens(body), ("H", -0.5)]):
        entry = {"token": text, "bytes": list(text.encode()), "logprob": value or 0.0, "text_offset": offset}
        content.append({**entry, "token_id": place})
        offset += len(text)
    answer["choices"][0]["logprobs"] = {"content": content}
