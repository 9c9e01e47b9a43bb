"""``prompt`` with ``completion`` or ``response``, or ``input`` with ``output`` and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from finetune.datasets.formats.pairs import Pairs, Spelling

_PLAIN = ("input", "output")


class PromptCompletion(Pairs):
    """A prompt and what completes it."""

    name = "prompt_completion"
    notes = ("prompt_completion_converted",)
    spellings: ClassVar[tuple[Spelling, ...]] = (("prompt", "completion"), ("prompt", "response"), _PLAIN)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Any object with a prompt and its completion; an input and its output only when nothing is beside them."""
        return super().matches(row) and ("prompt" in row or len(row) == 2)

    def _candidates(self, value: Mapping[str, Any]) -> Sequence[Spelling]:
        # Beside an instruction the input is a part of the question, and the answer to it alone would be wrong.
        asked_elsewhere = "prompt" in value or "instruction" in value
        return self.spellings[:2] if asked_elsewhere else self.spellings
