"""Plain columns of questions and answers, in English (capitals or not) or Chinese. No system prompt is added."""

from typing import ClassVar

from finetune.datasets.formats.pairs import Pairs, Spelling


class QuestionAnswer(Pairs):
    """A question and its answer."""

    name = "question_answer"
    notes = ("question_answer_converted",)
    spellings: ClassVar[tuple[Spelling, ...]] = (
        ("question", "answer"),
        ("q", "a"),
        ("问题", "答案"),
        ("问题", "回答"),
        ("提问", "回答"),
    )

    def _fold(self, key: str) -> str:
        return key.lower()
