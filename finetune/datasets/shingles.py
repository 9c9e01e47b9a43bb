"""Texts as sets of short pieces of their letters, in numpy: signatures for guessing, exact sets for deciding.

A shingle is five letters of the folded text. Folding is by character, through a table: compatibility forms become the
plain ones (full-width letters and digits above all), capitals small; white space, punctuation, control and format
characters go.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

SHINGLE = 5
_GAP = SHINGLE - 1  # windows that begin in one text and end in the next
_TABLED = 0x20000  # what lies above is Chinese without forms to fold
_UNICODE = 0x110000
_EXPANDS = 0xFFFFFFFF  # one character that stands for several letters: ㎏, ﬁ
_BLOCK = 1 << 16  # windows that are hashed at once, for the sake of the core's own cache
_DROPPED = frozenset("PZC")  # the first letters of Unicode's categories: punctuation, separators, control and others
# Odd and without a pattern; the signatures of two processes must be the same.
_SCRAMBLE = np.random.default_rng(5).integers(0, 1 << 63, 256, np.uint64) * np.uint64(2) + np.uint64(1)
_HALF = np.uint64(32)


def folded(texts: Sequence[str]) -> list[Codes]:
    """The letters of each text, folded, as code points."""
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    codes = _table()[_code_points(texts)]
    if (codes == _EXPANDS).any():
        # Ten times slower, and rarely needed.
        texts = ["".join(map(_expanded, text)) for text in texts]
        codes = _table()[_code_points(texts)]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    letters = np.concatenate([[0], np.cumsum(codes != 0)])[np.concatenate([[0], ends])]
    codes = codes[codes != 0]
    return [codes[begin:end] for begin, end in pairwise(letters.tolist())]


def _expanded(character: str) -> str:
    code = ord(character)
    return unicodedata.normalize("NFKC", character).lower() if _table()[code] == _EXPANDS else character


def _code_points(texts: Sequence[str]) -> Codes:
    return np.frombuffer("".join(texts).encode("utf-32-le"), np.dtype("<u4"))


@lru_cache(maxsize=1)
def _table() -> Codes:
    """By code point: the folded letter, 0 for what is dropped, or :data:`_EXPANDS`."""
    table = np.arange(_UNICODE, dtype=np.uint32)
    table[:_TABLED] = [_fold(chr(code)) for code in range(_TABLED)]
    return table


def _fold(character: str) -> int:
    category = unicodedata.category(character)
    if category == "Lo" and unicodedata.normalize("NFKC", character) == character:
        return ord(character)
    letters = [
        letter
        for letter in unicodedata.normalize("NFKC", character).lower()
        if unicodedata.category(letter)[0] not in _DROPPED
    ]
    return 0 if not letters else ord(letters[0]) if len(letters) == 1 else _EXPANDS


class Texts:
    """Folded texts with their MinHash signatures, in batches: a letter takes 1, 2 or 4 bytes as its batch needs it."""

    def __init__(self, permutations: int) -> None:
        self._permutations = _SCRAMBLE[SHINGLE : SHINGLE + permutations].astype(np.uint32) | np.uint32(1)
        self._letters: list[NDArray[np.unsignedinteger]] = []
        self._lengths: list[Numbers] = []
        self._signatures: list[Codes] = []
        self.characters = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take the next texts. One of fewer letters than a shingle has is filled up to one shingle."""
        if not texts:
            return
        found = folded(texts)
        lengths = np.array([len(codes) for codes in found], np.int64)
        letters = np.concatenate([np.pad(codes, (0, max(0, SHINGLE - len(codes)))) for codes in found])
        padded = np.maximum(lengths, SHINGLE)
        self._signatures.append(_signatures(letters, padded, self._permutations))
        self._letters.append(letters.astype(np.min_scalar_type(int(letters.max()))))
        self._lengths.append(lengths)
        self.characters += int(padded.sum())

    def keep(self, stays: NDArray[np.bool_]) -> None:
        """Forget all texts but those whose place in ``stays`` is true."""
        begin = 0
        for batch, lengths in enumerate(self._lengths):
            these = stays[begin : begin + len(lengths)]
            begin += len(lengths)
            self._letters[batch] = self._letters[batch][np.repeat(these, np.maximum(lengths, SHINGLE))]
            self._signatures[batch] = self._signatures[batch][these]
            self._lengths[batch] = lengths[these]
        self.characters = int(sum(np.maximum(lengths, SHINGLE).sum() for lengths in self._lengths))

    def lengths(self) -> Numbers:
        """Letters of each text, shape (texts,)."""
        return np.concatenate([np.zeros(0, np.int64), *self._lengths])

    def signatures(self) -> Codes:
        """Shape (texts, permutations)."""
        return np.concatenate([np.zeros((0, len(self._permutations)), np.uint32), *self._signatures])

    def reader(self) -> "Reader":
        """The texts by number; what is added or forgotten later is not in it."""
        return Reader(self._letters, self._lengths)


class Reader:
    """Compares texts by number."""

    def __init__(self, letters: Sequence[NDArray[np.unsignedinteger]], lengths: Sequence[Numbers]) -> None:
        self._letters = letters
        self._batch = np.repeat(np.arange(len(lengths)), [len(each) for each in lengths])
        self.windows = np.maximum(np.concatenate([np.zeros(0, np.int64), *lengths]), SHINGLE) - _GAP
        ends = [np.cumsum(np.maximum(each, SHINGLE)) for each in lengths]
        self._ends = np.concatenate([np.zeros(0, np.int64), *ends])

    def _text(self, number: int) -> NDArray[np.unsignedinteger]:
        end = int(self._ends[number])
        batch: NDArray[np.unsignedinteger] = self._letters[int(self._batch[number])]
        return batch[end - int(self.windows[number]) - _GAP : end]

    def jaccard(self, left: Numbers, right: Numbers) -> NDArray[np.float64]:
        """Of each pair, shared shingles by all shingles. At most 65,536 pairs at once."""
        sides = np.stack([left, right], axis=1).ravel()
        letters = np.concatenate([self._text(number) for number in sides.tolist()])
        windows = self.windows[sides]
        hashes = _hashes(letters)[_inside(windows)]
        # One number a shingle: the pair in the highest bits, the side in the lowest.
        side = np.repeat(np.arange(len(sides), dtype=np.uint64), windows)
        keys = (side >> np.uint64(1)) << np.uint64(48) | (hashes >> np.uint64(17)) << np.uint64(1) | side & np.uint64(1)
        keys.sort()
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        shared = keys[1:][keys[1:] >> np.uint64(1) == keys[:-1] >> np.uint64(1)]
        both = _by_pair(shared, len(left))
        return both / (_by_pair(keys, len(left)) - both)


def _by_pair(keys: Hashes, pairs: int) -> Numbers:
    return np.bincount((keys >> np.uint64(48)).astype(np.int64), minlength=pairs)


def _inside(windows: Numbers) -> Numbers:
    """Where the windows that lie within one text are, among all."""
    gaps = np.arange(len(windows)) * _GAP
    return np.arange(int(windows.sum())) + np.repeat(gaps, windows)


def _hashes(letters: NDArray[np.unsignedinteger]) -> Hashes:
    """Of every window, those between two texts included."""
    wide = letters.astype(np.uint64)
    count = len(letters) - _GAP
    sums = wide[:count] * _SCRAMBLE[0]
    for place in range(1, SHINGLE):
        sums += wide[place : place + count] * _SCRAMBLE[place]
    return mixed(sums)


def mixed(sums: Hashes) -> Hashes:
    """Spread over all bits what lies in some of them; in place."""
    sums ^= sums >> _HALF
    sums *= np.uint64(0x9E3779B97F4A7C15)
    sums ^= sums >> _HALF
    return sums


def _signatures(letters: Codes, lengths: Numbers, permutations: Codes) -> Codes:
    """Of each text the smallest hash under each permutation."""
    starts = np.cumsum(lengths) - lengths
    found = np.empty((len(lengths), len(permutations)), np.uint32)
    for begin, end in spans(lengths, _BLOCK):
        first = starts[begin]
        hashes = _hashes(letters[first : starts[end - 1] + lengths[end - 1]]).astype(np.uint32)
        # Every second one is the gap between two texts; the last needs no end.
        bounds = np.stack([starts[begin:end], starts[begin:end] + lengths[begin:end] - _GAP], axis=1).ravel() - first
        scrambled = np.empty_like(hashes)
        for number, factor in enumerate(permutations):
            np.multiply(hashes, factor, out=scrambled)
            found[begin:end, number] = np.minimum.reduceat(scrambled, bounds[:-1])[::2]
    return found


def spans(sizes: Numbers, most: int) -> Iterator[tuple[int, int]]:
    """Begin and end of runs whose sizes make at most ``most`` together; one that is larger is a run of its own."""
    ends = np.cumsum(sizes)
    begin = done = 0
    while begin < len(sizes):
        end = max(begin + 1, int(np.searchsorted(ends, done + most, "right")))
        yield begin, end
        begin, done = end, int(ends[end - 1])
