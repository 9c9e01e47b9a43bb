"""Rows of a dataset as token ids with a mask, cut at the token limit."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.providers.local.chat import ChatTokenizer


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation. ``targets[i]`` tells whether token ``i`` is learned."""

    ids: list[int]
    targets: list[bool]

    @property
    def learned(self) -> int:
        """The number of tokens that are learned."""
        return sum(self.targets)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A dataset file's examples. ``cut`` rows lost their tail, ``empty`` rows have nothing left to learn.

    Empty rows are not among the examples.
    """

    examples: list[Example]
    cut: int
    empty: int

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        return sum(len(example.ids) for example in self.examples)


def read(file: Path) -> Iterator[list[dict[str, str]]]:
    """The conversations of a JSONL file."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                messages = json.loads(line)["messages"]
                yield [{"role": str(m["role"]), "content": str(m["content"])} for m in messages]


def encode(file: Path, chat: ChatTokenizer, max_tokens: int) -> Encoded:
    """Tokenise a file. Raises :class:`finetune.providers.local.chat.UnstableTemplate`."""
    examples, cut, empty = [], 0, 0
    for messages in read(file):
        ids, targets = chat.masked(messages)
        if len(ids) > max_tokens:
            cut += 1
            ids, targets = ids[:max_tokens], targets[:max_tokens]
        if any(targets[1:]):
            examples.append(Example(ids, targets))
        else:
            empty += 1
    return Encoded(examples, cut, empty)


def batches(examples: Sequence[Example], size: int, seed: int, epoch: int) -> list[list[Example]]:
    """The batches of one epoch: the same for the same seed and epoch, whatever was done before."""
    order = list(range(len(examples)))
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
    return [[examples[index] for index in order[start : start + size]] for start in range(0, len(order), size)]
