"""How much of an answer stands word for word in an answer that was trained on."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# An answer is copied when one piece of a training answer makes up so much of it, and is no mere phrase.
COPIED_SHARE = 0.8
COPIED_LEAST = 20
_END = "\x00"


@dataclass(frozen=True, slots=True)
class Piece:
    """The longest common piece of an answer with the training answers: its length, and its share of the answer."""

    length: int
    share: float

    @property
    def copied(self) -> bool:
        """Whether the answer is that piece and little else."""
        return self.length >= COPIED_LEAST and self.share >= COPIED_SHARE


def folded(text: str) -> str:
    """The text without what hides a copy: width, case, white space."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


class Trained:
    """The training answers as one text.

    The longest common piece grows as the beginning moves on, so a text of n characters takes at most 2 n searches,
    each at the speed of ``str.find``: 20 answers against a megabyte take a second.
    """

    def __init__(self, answers: Sequence[str]) -> None:
        self._text = _END.join(folded(answer) for answer in dict.fromkeys(answers))

    def longest(self, answer: str) -> Piece:
        """The longest piece of an answer that is there."""
        text = folded(answer)
        best = 0
        for begin in range(len(text)):
            while begin + best < len(text) and text[begin : begin + best + 1] in self._text:
                best += 1
            if begin + best >= len(text):
                break
        return Piece(best, best / len(text) if text else 0.0)
