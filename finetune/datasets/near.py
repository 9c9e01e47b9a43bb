"""Conversations that say nearly the same: MinHash finds candidates, the exact Jaccard of their shingles decides.

Two rows are near-duplicates when the sets of 5-character pieces of their normalised texts overlap by at least
:data:`METHOD`'s threshold. The normalised text has no system prompt (it is the same in every row), no white space and
no punctuation, and its letters are folded (NFKC, lower case). Numpy is imported with this module: only the worker and
``split`` may import it.

What bounds the work, whatever the file:

- equal rows are kept once, so a million copies cost what one does;
- of a row the first :data:`MAX_ROW_CHARACTERS` are looked at;
- past :data:`MAX_ROWS` different rows or :data:`MAX_CHARACTERS` in all, a seeded sample is compared;
- in a bucket every row is compared with the bucket's first :data:`FIRSTS` rows and with the row before it, never with
  all: a near-duplicate that is missed in one bucket has the other bands' buckets to be found in;
- after :data:`MAX_VERIFIED` shingles of verified pairs the rest is left.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import orjson
from numpy.typing import NDArray

from finetune.datasets.shingles import SHINGLE, Codes, Hashes, Texts, mixed, spans

Rows = NDArray[np.int64]

MAX_ROWS = 200_000
MAX_CHARACTERS = 32_000_000
MAX_ROW_CHARACTERS = 1 << 20
FIRSTS = 4
MAX_VERIFIED = 100_000_000

_BANDS = 16
_BAND_ROWS = 4
_BATCH = 1 << 16  # characters whose shingles are made at once: what fits a core's own cache
_PAIRS = 1 << 18  # shingles of pairs that are compared at once
_SIGNATURES = 1 << 12  # pairs whose signatures are compared at once
# A pair whose signatures agree less is not worth comparing: one at the threshold does so with a chance of 1 : 10,000.
_WORTH_IT = 40


@dataclass(frozen=True, slots=True)
class Method:
    """How near-duplicates were found, for whoever states it: ``threshold`` is a Jaccard index, 0 to 1."""

    name: str
    shingle: int
    permutations: int
    bands: int
    threshold: float


METHOD = Method("minhash", SHINGLE, _BANDS * _BAND_ROWS, _BANDS, 0.8)


@dataclass(frozen=True, slots=True)
class NearGroups:
    """Clusters of rows.

    ``labels`` has one number a row (int64): the number of the first row of its cluster, its own when it is alone.
    ``exact_duplicates``: rows equal to an earlier one. ``near_duplicates``: rows of a cluster that are neither its
    first nor equal to an earlier one. ``near_clusters``: clusters with at least two rows that differ. ``compared``
    different rows were looked at. With ``sampled`` not everything was, and the near ones are at least so many;
    equal rows are complete always.
    """

    labels: Rows
    exact_duplicates: int
    near_duplicates: int
    near_clusters: int
    compared: int
    sampled: bool

    def __iter__(self) -> Iterator[list[int]]:
        """The clusters of two rows and more, each in the order of the file."""
        order = np.argsort(self.labels, kind="stable")
        ends = np.flatnonzero(np.diff(self.labels[order])) + 1
        bounds = [0, *ends.tolist(), len(order)]
        for begin, end in pairwise(bounds):
            if end - begin > 1:
                yield order[begin:end].tolist()


def near_groups(rows: Iterable[Sequence[Mapping[str, str]]], *, seed: int = 0, sample: bool = True) -> NearGroups:
    """The clusters of ``rows`` (each the messages of a conversation).

    Past the limits a sample by ``seed`` is compared, or with ``sample`` false nothing but equality.
    """
    found = Near(seed=seed, sample=sample)
    for messages in rows:
        found.add(messages)
    return found.groups()


class Near:
    """Takes rows one by one and clusters them at the end. Limits are parameters for tests only."""

    def __init__(
        self, *, seed: int = 0, sample: bool = True, max_rows: int = MAX_ROWS, max_characters: int = MAX_CHARACTERS
    ) -> None:
        self._salt = hashlib.blake2b(b"%d" % seed, digest_size=16).digest()
        self._sample = sample
        self._max_rows, self._max_characters = max_rows, max_characters
        self._prints = array("Q")
        # Of the texts that are kept, in order: the row, whose fingerprint also decides whether the sample has it.
        self._known: set[int] = set()
        self._kept: list[int] = []
        self._pending: list[str] = []
        self._pending_characters = 0
        self._texts = Texts(METHOD.permutations)
        self._below = 1 << 64
        self._over = False

    def add(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Take the next row."""
        raw = hashlib.blake2b(orjson.dumps(messages), digest_size=8, key=self._salt).digest()
        fingerprint = int.from_bytes(raw, "little")
        row = len(self._prints)
        self._prints.append(fingerprint)
        if fingerprint >= self._below or fingerprint in self._known:
            return
        text = _text(messages)
        self._known.add(fingerprint)
        self._kept.append(row)
        self._pending.append(text)
        self._pending_characters += len(text)
        if self._pending_characters >= _BATCH:
            self._flush()
        if len(self._kept) > self._max_rows:
            self._thin()

    def _flush(self) -> None:
        self._texts.add(self._pending)
        self._pending, self._pending_characters = [], 0
        if self._texts.characters > self._max_characters:
            self._thin()

    def _thin(self) -> None:
        """Keep half of the sample, by fingerprint, until it is within the limits; or nothing."""
        self._over = True
        self._texts.add(self._pending)
        self._pending, self._pending_characters = [], 0
        while self._below and (len(self._kept) > self._max_rows or self._texts.characters > self._max_characters):
            self._below = self._below // 2 if self._sample else 0
            stays = [self._prints[row] < self._below for row in self._kept]
            self._texts.keep(np.array(stays, dtype=bool))
            self._kept = [row for row, kept in zip(self._kept, stays, strict=True) if kept]
        self._known = {self._prints[row] for row in self._kept}

    def groups(self) -> NearGroups:
        """The clusters of all rows so far."""
        self._flush()
        rows = len(self._prints)
        _, first, inverse = np.unique(np.array(self._prints, np.uint64), return_index=True, return_inverse=True)
        clusters = _Clusters(len(self._kept))
        complete = _cluster(self._texts, clusters)
        roots = clusters.roots()
        # From a cluster of kept rows to one of all rows: every row that is equal to a kept one goes with it.
        kept = np.array(self._kept, np.int64)
        different = np.arange(len(first))
        if len(kept):
            different[inverse[kept]] = inverse[kept[roots]]
        # The name of a cluster is its first row.
        names = np.full(len(first), rows, np.int64)
        np.minimum.at(names, different, first)
        sizes = np.bincount(different, minlength=1)
        return NearGroups(
            labels=names[different][inverse] if rows else np.zeros(0, np.int64),
            exact_duplicates=rows - len(first),
            near_duplicates=len(first) - int(np.count_nonzero(sizes)),
            near_clusters=int(np.count_nonzero(sizes > 1)),
            compared=len(kept),
            sampled=self._over or not complete,
        )


def _text(messages: Sequence[Mapping[str, str]]) -> str:
    begin = bool(messages) and messages[0]["role"] == "system"
    return "\n".join([message["content"] for message in messages[begin:]])[:MAX_ROW_CHARACTERS]


class _Clusters:
    """A union-find whose root is the smallest of its cluster."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def roots(self) -> Rows:
        """Of each element the smallest of its cluster."""
        while True:
            shorter = self._parent[self._parent]
            if np.array_equal(shorter, self._parent):
                return shorter
            self._parent = shorter

    def join(self, left: Rows, right: Rows) -> None:
        """Make one cluster of each pair's two."""
        parent = self._parent
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            while parent[a] != a:
                parent[a] = a = parent[parent[a]]
            while parent[b] != b:
                parent[b] = b = parent[parent[b]]
            parent[max(a, b)] = min(a, b)


def _cluster(texts: Texts, clusters: _Clusters) -> bool:
    """Join what is near; whether all candidates could be compared."""
    signatures, reader = texts.signatures(), texts.reader()
    # A text without a letter has no shingles to compare: only an equal row is like it.
    some = np.flatnonzero(texts.lengths())
    refused = np.zeros(0, np.int64)
    budget = MAX_VERIFIED
    for band in range(_BANDS):
        keys = _band_keys(signatures[some, band * _BAND_ROWS : (band + 1) * _BAND_ROWS])
        for left, right in _candidates(keys):
            a, b = _open(clusters, *_promising(signatures, *_open(clusters, some[left], some[right])))
            names = np.minimum(a, b) * len(signatures) + np.maximum(a, b)
            new = ~np.isin(names, refused)
            a, b, names = a[new], b[new], names[new]
            alike = np.zeros(len(a), bool)
            sizes = reader.windows[a] + reader.windows[b]
            for begin, end in spans(sizes, _PAIRS):
                budget -= int(sizes[begin:end].sum())
                if budget < 0:
                    return False
                alike[begin:end] = reader.jaccard(a[begin:end], b[begin:end]) >= METHOD.threshold
            clusters.join(a[alike], b[alike])
            refused = np.concatenate([refused, names[~alike]])
    return True


def _band_keys(signatures: Codes) -> Hashes:
    keys = np.zeros(len(signatures), np.uint64)
    for column in range(signatures.shape[1]):
        keys = mixed(keys ^ signatures[:, column])
    return keys


def _candidates(keys: Hashes) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of places with the same key: each with the one before it, then with the bucket's first ones."""
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    later = np.flatnonzero(in_order[1:] == in_order[:-1]) + 1
    yield order[later - 1], order[later]
    places = np.arange(len(keys))
    begins = places.copy()
    begins[later] = 0
    begins = np.maximum.accumulate(begins)
    for number in range(FIRSTS):
        others = later[begins[later] + number < later - 1]
        yield order[begins[others] + number], order[others]


def _open(clusters: _Clusters, left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """The pairs that are not in one cluster yet."""
    roots = clusters.roots()
    apart = roots[left] != roots[right]
    return left[apart], right[apart]


def _promising(signatures: Codes, left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """The pairs whose signatures agree enough."""
    agree = np.zeros(len(left), np.int64)
    for begin in range(0, len(left), _SIGNATURES):
        end = begin + _SIGNATURES
        agree[begin:end] = np.count_nonzero(signatures[left[begin:end]] == signatures[right[begin:end]], axis=1)
    enough = agree >= _WORTH_IT
    return left[enough], right[enough]
