"""What a mending did: counts of everything, and the first changes to read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 200
SHOWN_CHARACTERS = 240
LEAD_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Change:
    """A row before and after, both shortened; ``after`` is empty for a row that was left out.

    ``line`` and ``row`` as in a finding. ``mends`` names what was done to it.
    """

    line: int
    row: int | None
    before: str
    after: str
    mends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """All that was done. ``counts``: rows that each mend touched; ``left_out``: rows that are gone, by reason.

    ``examples`` are the first changes in the order of the file.
    """

    rows_before: int
    rows_after: int
    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    examples: tuple[Change, ...]

    @property
    def touched(self) -> bool:
        """Whether anything was changed at all."""
        return bool(self.counts or self.left_out)

    def as_json(self) -> dict[str, Any]:
        """Plain values only; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Changes":
        """The changes again."""
        examples = tuple(Change(**{**example, "mends": tuple(example["mends"])}) for example in data["examples"])
        return cls(**{**data, "examples": examples})


class Book:
    """Keeps the changes of one mending."""

    def __init__(self) -> None:
        self.rows_before = 0
        self.rows_after = 0
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._examples: list[Change] = []

    def changed(self, line: int, row: int | None, before: str, after: str, mends: tuple[str, ...]) -> None:
        """A row became another one, or several."""
        self._counts.update(mends)
        if len(self._examples) < KEPT:
            self._examples.append(Change(line, row, *_shortened(before, after), mends))

    def counted(self, mend: str) -> None:
        """A row was touched in a way that nobody needs to read."""
        self._counts[mend] += 1

    def left_out(self, line: int, row: int | None, before: str, reason: str) -> None:
        """A row is gone."""
        self._left_out[reason] += 1
        if len(self._examples) < KEPT:
            self._examples.append(Change(line, row, _cut(before, 0), "", (reason,)))

    def close(self) -> Changes:
        """All changes, in the order of the file."""
        examples = sorted(self._examples, key=lambda change: (change.line, change.row or 0))
        return Changes(self.rows_before, self.rows_after, dict(self._counts), dict(self._left_out), tuple(examples))


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Both from shortly before the place where they begin to differ."""
    before, after = before.strip(), after.strip()
    pairs = enumerate(zip(before, after, strict=False))
    same = next((place for place, (old, new) in pairs if old != new), min(len(before), len(after)))
    begin = max(0, same - LEAD_CHARACTERS) if max(len(before), len(after)) > SHOWN_CHARACTERS else 0
    return _cut(before, begin), _cut(after, begin)


def _cut(text: str, begin: int) -> str:
    text = ("…" if begin else "") + text.strip()[begin:]
    text = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
