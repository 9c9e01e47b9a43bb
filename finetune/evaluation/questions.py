"""What is asked: held-out rows, rows of the training data to learn the style from, and ten general questions."""

import hashlib
import json
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from finetune.datasets.statistics import language_of

Message = Mapping[str, str]

HELD_OUT = 20  # questions
CALIBRATION = 12
# Tokens: style shows in the beginning of an answer, and general questions need few words.
CALIBRATION_TOKENS = 160
GENERAL_TOKENS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt (its last message is a person's) and, where there is one, the answer that a person wrote.

    ``key`` is made from the prompt: the same question has the same key in every run.
    """

    key: str
    prompt: tuple[Message, ...]
    reference: str = ""

    @property
    def asked(self) -> str:
        """What the person says last."""
        return self.prompt[-1]["content"]


@dataclass(frozen=True, slots=True)
class General:
    """A question of general knowledge; right when one of ``words`` stands in the answer."""

    question: Question
    words: tuple[str, ...]

    def right(self, answer: str) -> bool:
        """Whether the answer has it."""
        text = answer.casefold()
        # "15" is no 5; between Chinese characters there are no such borders.
        return any(re.search(rf"(?<![a-z0-9]){re.escape(word.casefold())}(?![a-z0-9])", text) for word in self.words)


def key_of(prompt: Sequence[Message]) -> str:
    """A prompt's key: 16 hexadecimal digits."""
    text = json.dumps([[message["role"], message["content"]] for message in prompt], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def conversations(file: Path) -> Iterator[list[dict[str, str]]]:
    """The conversations of a canonical JSONL file."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield [{"role": m["role"], "content": m["content"]} for m in json.loads(line)["messages"]]


def question_of(messages: Sequence[Message]) -> Question | None:
    """A conversation up to its last answer; None if it has none after a person's words."""
    for index in range(len(messages) - 1, 0, -1):
        if messages[index]["role"] == "assistant" and messages[index - 1]["role"] == "user":
            prompt = tuple(dict(message) for message in messages[:index])
            return Question(key_of(prompt), prompt, messages[index]["content"])
    return None


def some(file: Path, count: int, seed: int) -> list[Question]:
    """``count`` questions of a file, drawn by ``seed``, each key once, in the order of the file."""
    found: dict[str, Question] = {}
    for messages in conversations(file):
        question = question_of(messages)
        if question is not None:
            found.setdefault(question.key, question)
    questions = list(found.values())
    if len(questions) <= count:
        return questions
    # Not for secrets: the same seed has to ask the same questions.
    chosen = random.Random(seed).sample(range(len(questions)), count)  # noqa: S311
    return [questions[place] for place in sorted(chosen)]


def answers_in(file: Path) -> list[str]:
    """Every answer of a file."""
    return [
        message["content"]
        for messages in conversations(file)
        for message in messages
        if message["role"] == "assistant" and message["content"].strip()
    ]


def with_examples(question: Question, examples: Sequence[Question]) -> tuple[Message, ...]:
    """The question's prompt with the instruction to imitate and the examples before it: a prompt instead of a tuning.

    Of several turns only the last question is asked, so that the examples are not mistaken for its history.
    """
    system = next((message["content"] for message in question.prompt if message["role"] == "system"), "")
    told = prompts()["examples"]
    instruction = told["zh" if language_of(system or question.asked) == "zh" else "en"]
    shown: list[Message] = [{"role": "system", "content": f"{system}\n\n{instruction}".strip()}]
    for example in examples:
        shown.append({"role": "user", "content": example.asked})
        shown.append({"role": "assistant", "content": example.reference})
    history = [message for message in question.prompt if message["role"] != "system"]
    return (*shown, *history)


def nearest_language(question: Question, examples: Sequence[Question], count: int) -> list[Question]:
    """``count`` examples, those of the question's own language first."""
    language = language_of(question.asked)
    return sorted(examples, key=lambda example: language_of(example.asked) != language)[:count]


@cache
def general(language: str) -> tuple[General, ...]:
    """The ten general questions in ``zh`` or ``en``."""
    data = tomllib.loads(resources.files(__package__).joinpath("questions.toml").read_text("utf-8"))
    found = []
    for entry in data["zh" if language == "zh" else "en"]:
        prompt = ({"role": "user", "content": entry["ask"]},)
        found.append(General(Question(key_of(prompt), prompt), tuple(entry["words"])))
    return tuple(found)


@cache
def prompts() -> Mapping[str, Any]:
    """What prompts are made of."""
    return tomllib.loads(resources.files(__package__).joinpath("prompts.toml").read_text("utf-8"))
