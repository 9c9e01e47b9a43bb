"""The seam to a model that answers."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a prompt: role ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more of an answer. The last piece may carry why it ended and what it took, in tokens."""

    text: str = ""
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ModelError(Exception):
    """The model did not answer, or stopped half-way. ``code`` is a translation key (``talk.error.<code>``)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ChatModel(Protocol):
    """A model that answers a conversation."""

    def stream(self, prompt: Sequence[Said], sampling: Mapping[str, object]) -> AsyncGenerator[Piece]:
        """The answer as it comes. Closing the generator stops the model. Raises :class:`ModelError`."""
        ...
