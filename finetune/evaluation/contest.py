"""Everything that one evaluation asks, of whom, in a fixed order."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.evaluation.answers import BASE, PROMPTED, TUNED, Task
from finetune.evaluation.questions import (
    CALIBRATION,
    CALIBRATION_TOKENS,
    GENERAL_TOKENS,
    HELD_OUT,
    General,
    Question,
    general,
    nearest_language,
    prompts,
    some,
    with_examples,
)

HELD = "held_out"
STYLE = "calibration"
KNOWLEDGE = "general"
LEAST_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Contest:
    """The questions. ``calibration`` and ``examples`` are rows of the training data, ``held_out`` never are."""

    held_out: tuple[Question, ...]
    calibration: tuple[Question, ...]
    examples: tuple[Question, ...]
    general: tuple[General, ...]
    sampling: Mapping[str, object]
    seed: int

    @property
    def enough(self) -> int:
        """Tokens that an answer may have: half more than the longest reference takes, the same for all contestants.

        Whoever has not come to an end by then does not end properly, and waiting for more would only take time.
        """
        longest = max((_tokens(question.reference) for question in self.held_out), default=0)
        usual = self.sampling.get("max_tokens")
        most = usual if isinstance(usual, int) else 4 * LEAST_TOKENS
        return min(most, max(LEAST_TOKENS, math.ceil(1.5 * longest)))

    def tasks(self, contestant: str) -> list[Task]:
        """What a contestant is asked: base and tuned the same prompt with the same sampling and seeds."""
        found = []
        enough = {**self.sampling, "max_tokens": self.enough}
        for place, question in enumerate(self.held_out):
            prompt: Sequence[Mapping[str, str]] = question.prompt
            if contestant == PROMPTED:
                count = int(prompts()["examples"]["count"])
                prompt = with_examples(question, nearest_language(question, self.examples, count))
            found.append(Task(HELD, contestant, question, prompt, {**enough, "seed": self.seed + place}))
        if contestant == BASE:
            short = {**self.sampling, "max_tokens": CALIBRATION_TOKENS}
            found += [
                Task(STYLE, contestant, question, question.prompt, {**short, "seed": self.seed + place})
                for place, question in enumerate(self.calibration)
            ]
        if contestant in (BASE, TUNED):
            exact = {**self.sampling, "temperature": 0, "max_tokens": GENERAL_TOKENS}
            found += [Task(KNOWLEDGE, contestant, each.question, each.question.prompt, exact) for each in self.general]
        return found


def _tokens(text: str) -> int:
    """Tokens of a text, rather too many: four letters each, and more for each character of other scripts."""
    plain = sum(character.isascii() for character in text)
    return math.ceil(plain / 4 + 2 * (len(text) - plain))


def contest(
    training: Path,
    validation: Path | None,
    *,
    languages: Sequence[str],
    sampling: Mapping[str, object],
    seed: int,
    most: int = HELD_OUT,
) -> Contest:
    """The questions of a run. ``languages``: of the base; general questions come in its first. Blocks: use a thread."""
    return Contest(
        tuple(some(validation, most, seed)) if validation is not None else (),
        tuple(some(training, CALIBRATION, seed)),
        tuple(some(training, 4 * int(prompts()["examples"]["count"]), seed + 1)),
        general(languages[0] if languages else "en"),
        dict(sampling),
        seed,
    )
