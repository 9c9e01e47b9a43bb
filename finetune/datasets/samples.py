"""Rows told apart by samples of them: most rows of most files are then never hashed as a whole."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.bits import Places
from finetune.datasets.fingerprints import PART, Fingerprints
from finetune.datasets.repeated import repeated, repeated_by_part

# What a sample of a row is made of: so many pieces of eight bytes, evenly spread, the last one at its end.
_PIECES, _PIECE = 8, 8
# Odd numbers without a pattern: one for the length, one for each piece. Two rows of one sample only cost time.
_FACTORS = (
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

_IN_ARRAY = np.array(_FACTORS, np.uint64).view(np.int64)
_NUMBERS = np.arange(1, _PIECES + 1)[:, None]

# The hashes of whole rows, given their places in rising order.
Hashes = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def sample_of(row: bytes) -> int:
    """A signed 64-bit number that equal rows have in common, of a row of eight bytes at least."""
    span = len(row) - _PIECE
    total = _FACTORS[0] * len(row)
    for number, factor in enumerate(_FACTORS[1:], 1):
        at = span * number // _PIECES
        total += factor * int.from_bytes(row[at : at + _PIECE], "little")
    total &= _WORD
    return total - (total >> 63 << 64)


def samples_of(data: bytes, begin: Places, end: Places) -> NDArray[np.int64]:
    """What :func:`sample_of` says of each row, given where they begin and end."""
    if not len(begin):
        return np.empty(0, np.int64)
    words = np.ndarray((len(data) - _PIECE + 1,), "<i8", data, strides=(1,))
    length = end - begin
    places = begin + (length - _PIECE) * _NUMBERS // _PIECES
    samples: NDArray[np.int64] = _IN_ARRAY[0] * length + (words[places] * _IN_ARRAY[1:, None]).sum(0)
    return samples


class SampledFingerprints(Fingerprints):
    """Keeps samples of rows, and looks at whole rows only where samples are equal, when all have been taken.

    ``hashes`` reads those again that have to be.
    """

    def __init__(self, hashes: Hashes) -> None:
        super().__init__()
        self._hashes = hashes
        self._single: list[tuple[int, int]] = []

    def add(self, row: bytes, place: int) -> None:
        """Remember a canonical row that stands among those which :meth:`extend` is given next."""
        self._single.append((sample_of(row), place))

    def extend(self, samples: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Remember canonical rows by their samples, together with those that were added one by one."""
        if self._single:
            more = np.array(self._single, np.int64)
            self._single.clear()
            samples, places = np.concatenate((samples, more[:, 0])), np.concatenate((places, more[:, 1]))
            order = np.argsort(places)
            samples, places = samples[order], places[order]
        begin = 0
        while begin < len(samples):
            into_prints, into_places = self._last_parts()
            end = begin + PART - len(into_prints)
            into_prints.frombytes(samples[begin:end].tobytes())
            into_places.frombytes(places[begin:end].tobytes())
            begin = end

    def _repeated(self) -> Iterable[int]:
        any_was = False
        for part, numbers in enumerate(repeated_by_part(self._prints)):
            if len(numbers):
                places = np.frombuffer(self._places[part], np.int64)[numbers]
                np.frombuffer(self._prints[part], np.int64)[numbers] = self._hashes(places)
                any_was = True
        return repeated(self._prints) if any_was else ()
