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
    """Some more of an answer. ``thought`` is what the model says to itself before it answers.

    The last piece may carry why it ended and what it took, in tokens.
    """

    text: str = ""
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    thought: str = ""


class ModelError(Exception):
    """The model did not answer, or stopped half-way. ``code`` is a translation key (``talk.error.<code>``).

    ``retry_after``: so many seconds later it may be asked again, if it said so.
    """

    def __init__(self, code: str, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether asking again after a while may help."""
        return self.code in ("busy", "unreachable")


class ChatModel(Protocol):
    """A model that answers a conversation. ``prefills``: an assistant's message at the end is gone on with."""

    prefills: bool

    def stream(self, prompt: Sequence[Said], sampling: Mapping[str, object]) -> AsyncGenerator[Piece]:
        """The answer as it comes. Closing the generator stops the model. Raises :class:`ModelError`."""
        ...
