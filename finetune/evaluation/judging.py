"""A model as judge: blind pairs, both orders; a verdict counts only if it survives the swap."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from finetune.evaluation.answers import Ask
from finetune.evaluation.questions import Message, prompts

_WORD = re.compile(r"\b(A|B|EQUAL|TIE)\b", re.IGNORECASE)
_SAMPLING: Mapping[str, object] = {"temperature": 0, "max_tokens": 16}
# A token is at least so many characters of Chinese or a quarter of that of English: an upper bound is wanted here.
_CHARACTERS_A_TOKEN = 1.5
_INSTRUCTION_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question: ``tuned`` and the ``other`` that it is compared with."""

    key: str
    question: str
    reference: str
    tuned: str
    other: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """``winner``: ``tuned``, ``other``, ``equal``; or ``unstable`` where the two orders disagree or no word came."""

    key: str
    winner: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What judging takes at most. ``money`` is None where the price of a token is not known."""

    calls: int
    tokens: int
    money: float | None
    currency: str


def estimate(pairs: Sequence[Pair], price_per_million: float | None = None, currency: str = "") -> Cost:
    """The cost before it is spent, in tokens and, with a price of a million tokens, in money."""
    tokens = 0.0
    for pair in pairs:
        size = len(pair.question) + len(pair.reference) + len(pair.tuned) + len(pair.other)
        tokens += 2 * (size / _CHARACTERS_A_TOKEN + _INSTRUCTION_TOKENS)
    money = None if price_per_million is None else tokens * price_per_million / 1e6
    return Cost(2 * len(pairs), round(tokens), money, currency)


async def judge(pair: Pair, ask: Ask) -> Judgement:
    """Ask in both orders. Raises what ``ask`` raises."""
    first = _word((await ask(_prompt(pair, pair.tuned, pair.other), _SAMPLING)).text)
    second = _word((await ask(_prompt(pair, pair.other, pair.tuned), _SAMPLING)).text)
    meant = {("A", "B"): "tuned", ("B", "A"): "other", ("EQUAL", "EQUAL"): "equal"}
    return Judgement(pair.key, meant.get((first, second), "unstable"), first, second)


async def judge_all(
    pairs: Sequence[Pair],
    ask: Ask,
    known: Mapping[str, Judgement],
    keep: Callable[[Judgement], Awaitable[None]],
) -> list[Judgement]:
    """Judge what is not ``known`` by its key; each judgement is kept as it comes."""
    found = []
    for pair in pairs:
        judgement = known.get(pair.key)
        if judgement is None:
            judgement = await judge(pair, ask)
            await keep(judgement)
        found.append(judgement)
    return found


def same_family(judge_model: str, base: str) -> bool:
    """Whether a judge seems to be of the base's family, which is known to favour its own: by the name's first word."""
    return _family(judge_model) == _family(base)


def _family(model: str) -> str:
    name = model.rsplit("/", 1)[-1].lower()
    match = re.match(r"[a-z]+", name)
    return match[0] if match else name


def _prompt(pair: Pair, a: str, b: str) -> list[Message]:
    told = prompts()["judge"]
    ask = told["ask"].format(question=pair.question, reference=pair.reference, a=a, b=b)
    return [{"role": "system", "content": told["system"]}, {"role": "user", "content": ask}]


def _word(text: str) -> str:
    """The last verdict word: a judge that thinks aloud names both before it decides."""
    words = _WORD.findall(text)
    word = words[-1].upper() if words else ""
    return "EQUAL" if word == "TIE" else word
