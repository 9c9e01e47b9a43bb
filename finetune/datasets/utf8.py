"""Where a text is no UTF-8: by the whole block, some times faster than decoding it."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_NEVER = (b"\xc0", b"\xc1", *(bytes([byte]) for byte in range(0xF5, 0x100)))
# After these the next byte is bounded more closely: no spelling that is too long, no half pair, nothing above U+10FFFF.
_SECOND = ((b"\xe0", 0xA0, 0xBF), (b"\xed", 0x80, 0x9F), (b"\xf0", 0x90, 0xBF), (b"\xf4", 0x80, 0x8F))


def continuations(block: Bytes) -> Flags:
    """Which bytes are not the first of their character."""
    return block.view(np.int8) < -64


def broken(data: bytes, block: Bytes, continuing: Flags) -> list[NDArray[np.intp]]:
    """Places at which something is wrong; none only if ``data``, which ends with a line end, is UTF-8 throughout.

    Each broken piece gives a place within itself or the byte after it.
    """
    expected = np.empty(len(block), np.bool_)
    expected[0] = False
    np.greater_equal(block[:-1], 0xC2, out=expected[1:])
    expected[2:] |= block[:-2] >= 0xE0
    highest = int(block.max())
    if highest >= 0xF0:
        expected[3:] |= block[:-3] >= 0xF0
    np.not_equal(expected, continuing, out=expected)
    wrong = [np.flatnonzero(expected)] if expected.any() else []
    wrong += [np.flatnonzero(block == never[0]) for never in _NEVER if never[0] <= highest and never in data]
    for lead, low, high in _SECOND:
        if lead[0] <= highest and lead in data:
            after = np.flatnonzero(block[:-1] == lead[0]) + 1
            second = block[after]
            wrong.append(after[(second < low) | (second > high)])
    return [places for places in wrong if len(places)]
