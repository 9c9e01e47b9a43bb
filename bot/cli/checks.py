"""What the doctor finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: ``good`` None means that it is worth knowing, no fault."""

    good: bool | None
    text: str
