"""The language of a text by its script; of many texts at once, when they are many."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.statistics import LOOKED_AT, SCRIPTS, language_by_letters

# A text's letters by script are counted in one number, so many bits each.
_BITS = LOOKED_AT.bit_length() + 2
_FIELD = (1 << _BITS) - 1


def _script_of_characters() -> NDArray[np.int32]:
    table = np.zeros(0x110000, np.int32)
    for script, ranges in enumerate(SCRIPTS):
        for first, last in ranges:
            table[first : last + 1] = 1 << _BITS * script
    return table


_SCRIPT = _script_of_characters()


def languages_of(texts: Sequence[str]) -> list[str]:
    """What :func:`language_of` says of each; none of them is empty."""
    if not texts:
        return []
    pieces = [text[:LOOKED_AT] for text in texts]
    lengths = list(map(len, pieces))
    letters = _SCRIPT[np.frombuffer("".join(pieces).encode("utf-32-le"), np.uint32)]
    counts = np.add.reduceat(letters, np.cumsum([0, *lengths[:-1]]))
    by_script = [(counts >> _BITS * script & _FIELD).tolist() for script in range(len(SCRIPTS))]
    are_ascii = [piece.isascii() for piece in pieces]
    return list(map(language_by_letters, are_ascii, lengths, *by_script))
