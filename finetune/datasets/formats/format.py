"""The seam to a shape of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from finetune.datasets.findings import Problem

Message = dict[str, str]


@dataclass(slots=True)
class Reading:
    """What became of a row: its problems, and its messages unless one of them is an error."""

    problems: list[Problem] = field(default_factory=list)
    messages: list[Message] | None = None


class DatasetFormat(Protocol):
    """One shape of rows. An object of it reads one file and remembers what it did (``notes``)."""

    name: str
    rows_are_messages: bool  # the rows are what a provider takes, not something that has to be converted

    @property
    def notes(self) -> tuple[str, ...]:
        """Codes of what was converted so far (``dataset.note.<code>``)."""
        ...

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether an object looks like a row of this shape, be it good or bad."""
        ...

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages of a row about which there is nothing at all to say; None for any other."""
        ...

    def careful(self, row: bytes) -> Reading:
        """Any row, with everything there is to say about it."""
        ...

    def rough(self, value: Any) -> list[Any] | None:
        """The messages that a row's value stands for, good or bad; None where it stands for none."""
        ...
