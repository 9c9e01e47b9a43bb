"""Finding rows that were there before: 16 bytes a row, and no text kept."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import tee

_FEW = 1 << 14  # rows that are compared one by one
_PART = 1 << 16  # rows that are remembered in one piece

# What a sample of a row is made of: so many pieces of eight bytes, evenly spread, the last one at its end.
PIECES, PIECE = 8, 8
# Odd numbers without a pattern: one for the length, one for each piece. Two rows of one sample only cost time.
FACTORS = (
    0x9E3779B97F4A7C15,
    0xBF58476D1CE4E5B9,
    0x94D049BB133111EB,
    0xD6E8FEB86659FD93,
    0xA0761D6478BD642F,
    0xE7037ED1A0B428DB,
    0x8EBC6AF09C88C6E3,
    0x589965CC75374CC3,
    0x1D8E4E27C47D124F,
)
_WORD = (1 << 64) - 1

# The hashes of whole rows, given their places in rising order.
Hashes = Callable[[Iterable[int]], Iterable[int]]


def sample_of(row: bytes) -> int:
    """A signed 64-bit number that equal rows have in common, of a row of :data:`PIECE` bytes at least."""
    span = len(row) - PIECE
    total = FACTORS[0] * len(row)
    for number, factor in enumerate(FACTORS[1:], 1):
        at = span * number // PIECES
        total += factor * int.from_bytes(row[at : at + PIECE], "little")
    total &= _WORD
    return total - (total >> 63 << 64)


class Fingerprints:
    """Takes rows in their order."""

    def __init__(self) -> None:
        # In parts, for what grows as a whole leaves holes in the memory, as large as itself.
        self._prints: list[array[int]] = []
        self._places: list[array[int]] = []

    def add(self, row: bytes, place: int) -> None:
        """Remember a canonical row at a place (any number that is not negative)."""
        self._append(hash(row), place)

    def _append(self, fingerprint: int, place: int) -> None:
        prints, places = self._last_parts()
        prints.append(fingerprint)
        places.append(place)

    def _last_parts(self) -> "tuple[array[int], array[int]]":
        if not self._prints or len(self._prints[-1]) == _PART:
            self._prints.append(array("q"))
            self._places.append(array("q"))
        return self._prints[-1], self._places[-1]

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Pairs of places: a row, and the first that was equal to it; in the order in which rows were added."""
        first: dict[int, int] = {}
        for row in self._repeated():
            part, number = divmod(row, _PART)
            place = self._place(row)
            earlier = first.setdefault(self._prints[part][number], place)
            if earlier != place:
                yield place, earlier

    def _repeated(self) -> Iterable[int]:
        """Numbers of rows, in order, among which are all that are equal to another one."""
        count = sum(map(len, self._prints))
        if count <= _FEW:
            # To import the other way takes longer than to compare as few one by one.
            return range(count)
        return self._among_many()

    def _among_many(self) -> Iterator[int]:
        from finetune.datasets.repeated import repeated

        return repeated(self._prints)

    def _place(self, row: int) -> int:
        part, number = divmod(row, _PART)
        return self._places[part][number]


class SampledFingerprints(Fingerprints):
    """Remembers samples of rows, and looks at whole rows only where samples are equal, when all have been taken.

    Most rows of most files are then never hashed. ``hashes`` reads those again that have to be.
    """

    def __init__(self, hashes: Hashes) -> None:
        super().__init__()
        self._hashes = hashes

    def add(self, row: bytes, place: int) -> None:
        """Remember a canonical row."""
        self._append(sample_of(row), place)

    def extend(self, samples: bytes, places: bytes) -> None:
        """Remember canonical rows by their samples. Both are 64-bit integers, as many of the one as of the other."""
        begin = 0
        while begin < len(samples):
            into_prints, into_places = self._last_parts()
            end = begin + (_PART - len(into_prints)) * into_prints.itemsize
            into_prints.frombytes(samples[begin:end])
            into_places.frombytes(places[begin:end])
            begin = end

    def _repeated(self) -> Iterable[int]:
        # Whoever reads goes ahead by some rows of one block; no more of them are kept.
        rows, read = tee(self._among_many())
        any_was = False
        for row, whole in zip(rows, self._hashes(map(self._place, read)), strict=True):
            part, number = divmod(row, _PART)
            self._prints[part][number] = whole
            any_was = True
        return self._among_many() if any_was else ()
