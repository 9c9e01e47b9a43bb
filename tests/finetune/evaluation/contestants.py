"""Models by their answers: an untrained one, one that shuffles, a parrot, and a good one.

``answers_of_smollm2.jsonl`` holds what SmolLM2 135M said in a real run on ``examples/fortune_telling.jsonl`` (seed 42,
20 rows held out), as it is and after a real training; answers are cut at 400 characters.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from finetune.datasets import split
from finetune.evaluation.answers import BASE, PROMPTED, TUNED, Answers, Kept
from finetune.evaluation.contest import HELD, KNOWLEDGE, STYLE, Contest, contest
from finetune.evaluation.losses import Losses
from finetune.evaluation.measures import Material
from finetune.evaluation.questions import Question, answers_in
from finetune.evaluation.verdict import Provenance

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples" / "fortune_telling.jsonl"
SEED = 42
# From a question and its place to what the model says.
Says = Callable[[Question, int], str]


class Ground:
    """The sample dataset, divided, and what the real base said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.training, self.validation = folder / "training.jsonl", folder / "validation.jsonl"
        split(EXAMPLES, self.training, self.validation, share=0.125, seed=SEED)
        self.contest: Contest = contest(
            self.training, self.validation, languages=["en"], sampling={"temperature": 0.7}, seed=SEED
        )
        real = folder / "real.jsonl"
        real.write_bytes((HERE / "answers_of_smollm2.jsonl").read_bytes())
        self.real = Answers(real)
        self.trained_on = answers_in(self.training)

    def untrained(self, question: Question, place: int) -> str:
        """Exactly what the base says."""
        kept = self.real.get(HELD, BASE, question)
        assert kept is not None
        return kept.text

    def shuffled(self, question: Question, place: int) -> str:
        """A person's good answer, to the next question of the same language."""
        held = [each for each in self.contest.held_out if each.reference.isascii() == question.reference.isascii()]
        return self.good(held[(held.index(question) + 1) % len(held)], place)

    def parrot(self, question: Question, place: int) -> str:
        """A training answer, word for word."""
        same = [answer for answer in self.trained_on if answer.isascii() == question.reference.isascii()]
        return same[place % len(same)]

    def good(self, question: Question, place: int) -> str:
        """The person's own answer, its sentences in another order."""
        sentences = re.findall(r"[^.。！？!?]+[.。！？!?]+\s*", question.reference) or [question.reference]
        return "".join([*sentences[1:], " ", sentences[0]]).strip()

    def real_tuned(self, question: Question, place: int) -> str:
        """What the really trained model said."""
        kept = self.real.get(HELD, TUNED, question)
        assert kept is not None
        return kept.text

    def material(
        self, says: Says, *, losses: Losses | None = None, finish: str = "stop", forgets: bool = False
    ) -> Material:
        """Everything that a verdict on such a model is made of."""
        answers = Answers(self.folder / f"{says.__name__}-{finish}-{forgets}.jsonl")
        for place, question in enumerate(self.contest.held_out):
            base = self.real.get(HELD, BASE, question)
            assert base is not None
            answers.add(base)
            answers.add(replace(base, contestant=PROMPTED))
            answers.add(Kept(HELD, TUNED, question.key, says(question, place), finish, 0.5))
        for question in self.contest.calibration:
            calibration = self.real.get(STYLE, BASE, question)
            assert calibration is not None
            answers.add(calibration)
        for each in self.contest.general:
            for who in (BASE, TUNED):
                said = self.real.get(KNOWLEDGE, TUNED if forgets and who == TUNED else BASE, each.question)
                assert said is not None
                answers.add(replace(said, contestant=who))
        return Material(
            contest=self.contest,
            answers=answers,
            training=self.training,
            losses=losses,
            curve=((1, 3.2), (2, 2.4), (3, 1.2), (4, 1.3)),
            judgements={},
            judge_model="",
            provenance=PROVENANCE,
            seconds=12.0,
        )


PROVENANCE = Provenance(
    model="运势 teller (v1)",
    external_id="local:smollm2:sample",
    base="HuggingFaceTB/SmolLM2-135M-Instruct",
    dataset="teller #1",
    data_digest="ab" * 32,
    training_rows=140,
    held_out_rows=20,
    parameters={"learning_rate": 2e-3, "epochs": 3},
    seed=SEED,
    licence="Apache-2.0",
    dated="2026-11-25",
)
