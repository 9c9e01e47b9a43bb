"""Whether two pictures are nearly the same, by a difference hash.

A picture is shrunk to 17 × 16 grey pixels; each of the 256 bits says whether a pixel is clearly brighter than its
right neighbour. Two pictures are near when at most 12 bits differ and, because flat pictures have no bits to differ
in, their colours at 16 × 16 differ by 8 of 255 or less on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_BITS = 12
MAX_COLOR = 8
# Neighbours that differ by less are flat: compression moves them either way.
_CLEARLY = 2
WIDTH, HEIGHT = 17, 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The 256 bits, and 16 × 16 pixels of red, green and blue bytes."""

    bits: int
    colors: bytes


def fingerprint(grey: bytes, colors: bytes) -> Fingerprint:
    """Of 17 × 16 grey and 16 × 16 coloured pixels, row by row."""
    bits = 0
    for row in range(HEIGHT):
        line = grey[row * WIDTH : (row + 1) * WIDTH]
        for left, right in pairwise(line):
            bits = bits << 1 | (left > right + _CLEARLY)
    return Fingerprint(bits, colors)


def near(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two pictures are nearly the same."""
    if (one.bits ^ other.bits).bit_count() > MAX_BITS:
        return False
    apart = sum(abs(a - b) for a, b in zip(one.colors, other.colors, strict=True))
    return apart <= MAX_COLOR * len(one.colors)


def first_near(prints: Sequence[Fingerprint | None], index: int) -> int | None:
    """The first picture before ``index`` that is nearly the same."""
    mine = prints[index]
    if mine is None:
        return None
    return next((other for other in range(index) if (theirs := prints[other]) is not None and near(mine, theirs)), None)
