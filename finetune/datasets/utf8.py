"""Where a text is no UTF-8: by the whole block, some times faster than decoding it."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

_NEVER = (b"\xc0", b"\xc1", *(bytes([byte]) for byte in range(0xF5, 0x100)))
# After these the next byte is bounded more closely: no spelling that is too long, no half pair, nothing above U+10FFFF.
_SECOND = ((b"\xe0", 0xA0, 0xBF), (b"\xed", 0x80, 0x9F), (b"\xf0", 0x90, 0xBF), (b"\xf4", 0x80, 0x8F))


def packed(flags: Flags) -> Words:
    """Flags as bits, the first one lowest: an eighth of the memory, and many times faster to be worked on."""
    words = np.zeros((len(flags) + 63) // 64, "<u8")
    bits = np.packbits(flags, bitorder="little")
    words.view(np.uint8)[: len(bits)] = bits
    return words


def continuations(block: Bytes) -> Words:
    """Which bytes are not the first of their character."""
    return packed(block.view(np.int8) < -64)


def broken(data: bytes, block: Bytes, continuing: Words) -> list[NDArray[np.intp]]:
    """Places at which something is wrong; none only if ``data``, which ends with a line end, is UTF-8 throughout.

    Each broken piece gives a place within itself or the byte after it.
    """
    highest = int(block.max())
    expected = _later(packed(block >= 0xC2), 1) | _later(packed(block >= 0xE0), 2)
    if highest >= 0xF0:
        expected |= _later(packed(block >= 0xF0), 3)
    expected ^= continuing
    wrong = (
        [np.flatnonzero(np.unpackbits(expected.view(np.uint8), count=len(block), bitorder="little"))]
        if expected.any()
        else []
    )
    wrong += [np.flatnonzero(block == never[0]) for never in _NEVER if never[0] <= highest and never in data]
    for lead, low, high in _SECOND:
        if lead[0] <= highest and lead in data:
            after = np.flatnonzero(block[:-1] == lead[0]) + 1
            second = block[after]
            wrong.append(after[(second < low) | (second > high)])
    return [places for places in wrong if len(places)]


def _later(words: Words, count: int) -> Words:
    """The same bits some places later."""
    moved = words << np.uint64(count)
    moved[1:] |= words[:-1] >> np.uint64(64 - count)
    return moved
