"""Where a text is no UTF-8: by the whole block, some times faster than decoding it."""

import numpy as np

from finetune.datasets.bits import Places, Planes, Words, later, places_of

_NEVER = (b"\xc0", b"\xc1", *(bytes([byte]) for byte in range(0xF5, 0x100)))
# After these the next byte is bounded more closely: no spelling that is too long, no half pair, nothing above U+10FFFF.
_SECOND = ((b"\xe0", 0xA0, 0xBF), (b"\xed", 0x80, 0x9F), (b"\xf0", 0x90, 0xBF), (b"\xf4", 0x80, 0x8F))


def broken(data: bytes, planes: Planes, continuing: Words, most: int) -> list[Places]:
    """Places at which something is wrong; none only if ``data``, which ends with a line end, is UTF-8 throughout.

    Each broken piece gives a place within itself or the byte after it. Raises :class:`TooDense` past ``most`` of them.
    """
    block = planes.block
    highest = int(block.max())
    expected = later(planes.are_from(0xC2), 1)
    expected |= later(planes.are_from(0xE0), 2)
    if highest >= 0xF0:
        expected |= later(planes.are_from(0xF0), 3)
    expected ^= continuing
    wrong = []
    if expected.any():
        places = places_of(expected, most)
        # What is missing past the end is missing before the last line end, too.
        wrong.append(places[: np.searchsorted(places, len(block))])
    wrong += [np.flatnonzero(block == never[0]) for never in _NEVER if never[0] <= highest and never in data]
    for lead, low, high in _SECOND:
        if lead[0] <= highest and lead in data:
            after = np.flatnonzero(block[:-1] == lead[0]) + 1
            second = block[after]
            wrong.append(after[(second < low) | (second > high)])
    return [places for places in wrong if len(places)]
