"""Gates: what a model must not do, whatever else it does well. Each passes, fails, or cannot be judged and says why."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from finetune.datasets.statistics import language_of
from finetune.evaluation.answers import Kept
from finetune.evaluation.memorising import Trained, folded
from finetune.evaluation.questions import General, Question
from finetune.evaluation.relevance import Relevance
from finetune.evaluation.style import Style
from finetune.repeats import repeats

PASSED, FAILED, UNKNOWN = "passed", "failed", "unknown"

# Shares of answers, and numbers of right answers, that a gate allows. Fewer than LEAST answers judge nothing.
LEAST = 5
ENDS_PROPERLY = 0.9
RIGHT_LANGUAGE = 0.9
COPIED = 0.1
GENERAL_FEWER = 1
# A loss that fell by less than this share, and a style that came nearer by less than this part of what lay between the
# base and the persons' answers, are no learning.
LOSS_FALLEN = 0.02
NEARER = 0.2
BY_CHANCE = 0.05
_PROMPT_PIECE = 24  # characters of the system prompt in an answer that give it away


@dataclass(frozen=True, slots=True)
class Gate:
    """``name`` is a translation key (``gate.<name>``), ``facts`` its figures: (name, value) pairs."""

    name: str
    state: str
    facts: tuple[tuple[str, float], ...]


def ends_properly(answers: Sequence[Kept]) -> Gate:
    """Answers end by themselves, and are not empty."""
    good = sum(kept.finish == "stop" and bool(kept.text.strip()) for kept in answers)
    return _share("ends", good, len(answers), ENDS_PROPERLY)


def no_repetition(answers: Sequence[Kept]) -> Gate:
    """No answer says the same without end."""
    return _none("repetition", sum(repeats(kept.text) > 0 for kept in answers), len(answers))


def no_leak(answers: Sequence[Kept], questions: Sequence[Question], training: Sequence[str]) -> Gate:
    """No answer tells which model it is, or recites its system prompt."""
    own = [pattern for pattern in _leaks() if not any(pattern.search(answer) for answer in training)]
    leaks = 0
    for kept, question in zip(answers, questions, strict=True):
        prompt = next((message["content"] for message in question.prompt if message["role"] == "system"), "")
        recited = bool(prompt) and Trained([prompt]).longest(kept.text).length >= min(
            _PROMPT_PIECE, len(folded(prompt))
        )
        leaks += recited or any(pattern.search(kept.text) for pattern in own)
    return _none("identity", leaks, len(answers))


def right_language(answers: Sequence[Kept], questions: Sequence[Question]) -> Gate:
    """Answers are in the language of the person's answer."""
    judged = [
        (kept, language)
        for kept, question in zip(answers, questions, strict=True)
        if (language := language_of(question.reference or question.asked)) != "other"
    ]
    good = sum(language_of(kept.text) == language for kept, language in judged)
    return _share("language", good, len(judged), RIGHT_LANGUAGE)


def nothing_copied(answers: Sequence[Kept], questions: Sequence[Question], trained: Trained) -> Gate:
    """Answers are not training answers word for word, but as far as the persons' own answers are."""
    copied = sum(trained.longest(kept.text).copied for kept in answers)
    usual = sum(trained.longest(question.reference).copied for question in questions)
    facts = (("copied", float(copied)), ("total", float(len(answers))), ("usual", float(usual)))
    if len(answers) < LEAST:
        return Gate("copied", UNKNOWN, facts)
    allowed = max(COPIED * len(answers), float(usual))
    return Gate("copied", PASSED if copied <= allowed else FAILED, facts)


def still_knows(general: Sequence[General], base: Sequence[Kept], tuned: Sequence[Kept]) -> Gate:
    """General questions are answered right about as often as by the base."""
    right = [sum(each.right(kept.text) for each, kept in zip(general, kepts, strict=True)) for kepts in (base, tuned)]
    facts = (("base", float(right[0])), ("tuned", float(right[1])), ("total", float(len(general))))
    return Gate("general", PASSED if right[1] >= right[0] - GENERAL_FEWER else FAILED, facts)


def learned(losses: tuple[float, float] | None, base: Style | None, tuned: Style | None, person: Style | None) -> Gate:
    """The model is another than its base: its held-out loss fell, and its answers show it.

    Of the two what is known counts. A loss that fell beside answers like the base's is an adapter that is not served.
    """
    facts: list[tuple[str, float]] = []
    found = []
    if losses is not None:
        facts += [("base", losses[0]), ("tuned", losses[1])]
        found.append(losses[1] <= losses[0] * (1 - LOSS_FALLEN))
    values = [None if style is None else style.likeness for style in (base, tuned, person)]
    if all(value is not None for value in values):
        low, now, high = (float(value or 0.0) for value in values)
        facts += [("base_likeness", low), ("tuned_likeness", now)]
        found.append(now > low and now - low >= NEARER * max(high - low, 0.0))
    if not found:
        return Gate("learned", UNKNOWN, ())
    return Gate("learned", PASSED if all(found) else FAILED, tuple(facts))


def fits(tuned: Relevance | None, person: Relevance | None) -> Gate:
    """Answers belong to their questions. Where even the persons' answers would do for any question it says nothing."""
    if tuned is None or person is None or person.chance > BY_CHANCE:
        return Gate("fits", UNKNOWN, ())
    return Gate("fits", PASSED if tuned.chance <= BY_CHANCE else FAILED, (("chance", tuned.chance),))


def passed(gates: Sequence[Gate]) -> bool:
    """Whether none fails. What cannot be judged does not fail, and is shown."""
    return all(gate.state != FAILED for gate in gates)


def _share(name: str, good: int, total: int, least: float) -> Gate:
    facts = (("good", float(good)), ("total", float(total)))
    if total < LEAST:
        return Gate(name, UNKNOWN, facts)
    return Gate(name, PASSED if good >= least * total else FAILED, facts)


def _none(name: str, bad: int, total: int) -> Gate:
    facts = (("bad", float(bad)), ("total", float(total)))
    if bad:
        return Gate(name, FAILED, facts)
    return Gate(name, UNKNOWN if total < LEAST else PASSED, facts)


@cache
def _leaks() -> tuple[re.Pattern[str], ...]:
    data = tomllib.loads(resources.files(__package__).joinpath("leaks.toml").read_text("utf-8"))
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in data["patterns"])
