"""What takes longer to find out about a dataset than judging it: lengths in tokens, near-duplicates, personal data.

:func:`measure` blocks for seconds and imports numpy; :func:`finetune.datasets.measuring.measured` runs it in a process
of its own.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from finetune.datasets.personal import Kind, PersonalCount, PersonalCounter
from finetune.datasets.report import TokenCount
from finetune.progress import Moved, nobody

if TYPE_CHECKING:
    from finetune.datasets.formats.format import Message
    from finetune.datasets.lengths import Lengths, RowTokens
    from finetune.datasets.near import NearGroups
    from finetune.datasets.vocabularies import Tokenizer

LIMITS = (512, 1024, 2048, 4096)
QUANTILES = (5, 25, 50, 75, 90, 95, 99)
BUCKETS = 24
SHOWN = 5
_TOLD = 64  # rows after which it is said how far it is


@dataclass(frozen=True, slots=True)
class Distribution:
    """Rows by their tokens: ``counts[k]`` rows have ``edges[k]`` tokens or more and less than ``edges[k + 1]``.

    Buckets are of one width, from the shortest row to the 99th percentile; the last has no end. ``quantiles`` are
    tokens by percent (``"50"`` is the median).
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    quantiles: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Over:
    """Rows that are longer than ``limit`` tokens, how many tokens are past it in all, and at most in one row."""

    limit: int
    rows: int
    tokens: int
    most: int
    exact: bool


@dataclass(frozen=True, slots=True)
class LongAnswer:
    """An answer by its place, both numbers from 0. ``tokens`` is as good as :attr:`Measures.tokens`."""

    row: int
    message: int
    characters: int
    tokens: int


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Rows that say what an earlier one says.

    ``exact``: equal to an earlier row. ``near``: not equal, and near to the cluster's first row or to another that
    is; ``clusters`` have such rows. ``first``: rows of either sort, each with the first of its cluster. With
    ``sampled`` only ``compared`` of the different rows were compared, or not all their pairs: there are at least so
    many. ``threshold`` is a Jaccard index, 0 to 1.
    """

    near: int
    exact: int
    clusters: int
    first: tuple[tuple[int, int], ...]
    compared: int
    sampled: bool
    method: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Measures:
    """A canonical file, measured. Rows are numbered from 0.

    ``tokens`` are those of the contents, ``tokens_low`` and ``tokens_high`` the bounds of the truth (equal where it
    was counted). ``lengths``, ``over`` and ``longest_tokens`` are of whole rows, with ``markers`` tokens a message
    for the chat template. ``personal`` has the kinds that were found, and never the text.
    """

    rows: int
    markers: int
    tokens: TokenCount
    tokens_low: int
    tokens_high: int
    lengths: Distribution
    over: tuple[Over, ...]
    longest_tokens: int
    longest_row: int
    longest_answers: tuple[LongAnswer, ...]
    duplicates: NearDuplicates
    personal: Mapping[Kind, PersonalCount]

    @property
    def sampled(self) -> bool:
        """Whether any figure comes from a part of the rows."""
        return self.duplicates.sampled or self.tokens.method == "tokenizer, sample"

    def as_json(self) -> dict[str, Any]:
        """Plain values only; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Measures":
        """The measures again. Raises ``TypeError`` or ``KeyError`` for anything else."""
        lengths, duplicates = data["lengths"], data["duplicates"]
        return cls(
            **{
                **data,
                "tokens": TokenCount(**data["tokens"]),
                "lengths": Distribution(
                    **{**lengths, "edges": tuple(lengths["edges"]), "counts": tuple(lengths["counts"])}
                ),
                "over": tuple(Over(**each) for each in data["over"]),
                "longest_answers": tuple(LongAnswer(**each) for each in data["longest_answers"]),
                "duplicates": NearDuplicates(
                    **{**duplicates, "first": tuple((row, like) for row, like in duplicates["first"])}
                ),
                "personal": {
                    kind: PersonalCount(**{**count, "first": tuple(count["first"])})
                    for kind, count in data["personal"].items()
                },
            }
        )


def measure(
    canonical: Path, tokenizer: "Tokenizer | None" = None, *, markers: int = 0, moved: Moved = nobody
) -> Measures:
    """Measure a canonical file of at least one row.

    Without a ``tokenizer`` tokens are an estimate from the letters, whose bounds hold for vocabularies that know the
    language. ``markers`` are the tokens that the chat template adds to a message; ``moved`` is told how far it is.
    Raises ``ValueError`` for a file without rows or with lines that are not canonical.
    """
    from finetune.datasets.lengths import Lengths
    from finetune.datasets.near import Near

    lengths, near, personal, answers = Lengths(tokenizer, markers=markers), Near(), PersonalCounter(), _Answers()
    rows = done = 0
    size = canonical.stat().st_size
    with canonical.open("rb") as file:
        for rows, line in enumerate(file, 1):
            done += len(line)
            if not rows % _TOLD:
                moved(done, size)
            messages = _messages(line)
            lengths.add(messages, len(line))
            near.add(messages)
            personal.add(messages)
            answers.add(rows - 1, messages)
    if not rows:
        raise ValueError("no rows to measure")
    tokens = lengths.result()
    return Measures(
        rows=rows,
        markers=markers,
        tokens=tokens.total,
        tokens_low=tokens.low,
        tokens_high=tokens.high,
        lengths=_distribution(tokens),
        over=tuple(_over(tokens, limit) for limit in LIMITS),
        longest_tokens=int(tokens.rows.max()),
        longest_row=int(tokens.rows.argmax()),
        longest_answers=answers.longest(lengths),
        duplicates=_duplicates(near.groups()),
        personal=personal.result(),
    )


def _messages(line: bytes) -> "list[Message]":
    try:
        found: list[Message] = orjson.loads(line)["messages"]
    except orjson.JSONDecodeError as error:
        # The library has no other way to say so.
        if "memory" in error.msg:
            raise MemoryError from None
        raise
    return found


class _Answers:
    """The longest answers, by characters."""

    def __init__(self) -> None:
        # Negative places: of two that are equally long the first stays.
        self._found: list[tuple[int, int, int, str]] = []

    def add(self, row: int, messages: "Sequence[Message]") -> None:
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            text = message["content"]
            if len(self._found) < SHOWN:
                heapq.heappush(self._found, (len(text), -row, -number, text))
            elif len(text) > self._found[0][0]:
                heapq.heapreplace(self._found, (len(text), -row, -number, text))

    def longest(self, lengths: "Lengths") -> tuple[LongAnswer, ...]:
        return tuple(
            LongAnswer(-row, -number, characters, lengths.count([{"role": "assistant", "content": text}]))
            for characters, row, number, text in sorted(self._found, reverse=True)
        )


def _distribution(tokens: "RowTokens") -> Distribution:
    import numpy as np

    at = np.percentile(tokens.rows, QUANTILES, method="inverted_cdf").tolist()
    low, high = int(tokens.rows.min()), int(at[-1])
    width = max(1, -(-(high - low + 1) // BUCKETS))
    places = np.minimum((tokens.rows - low) // width, BUCKETS - 1)
    return Distribution(
        edges=tuple(low + width * number for number in range(BUCKETS)),
        counts=tuple(np.bincount(places, minlength=BUCKETS).tolist()),
        quantiles={str(percent): int(value) for percent, value in zip(QUANTILES, at, strict=True)},
    )


def _over(tokens: "RowTokens", limit: int) -> Over:
    past = tokens.rows[tokens.rows > limit] - limit
    return Over(limit, len(past), int(past.sum()), int(past.max(initial=0)), tokens.exact)


def _duplicates(groups: "NearGroups") -> NearDuplicates:
    import numpy as np

    from finetune.datasets.near import METHOD

    later = np.flatnonzero(groups.labels != np.arange(len(groups.labels)))[:SHOWN]
    return NearDuplicates(
        near=groups.near_duplicates,
        exact=groups.exact_duplicates,
        clusters=groups.near_clusters,
        first=tuple(zip(later.tolist(), groups.labels[later].tolist(), strict=True)),
        compared=groups.compared,
        sampled=groups.sampled,
        method=METHOD.name,
        threshold=METHOD.threshold,
    )
