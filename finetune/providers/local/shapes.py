"""Lengths rounded to few, so that few shapes of products occur.

A library of matrix products prepares each shape anew and keeps what it prepared: about three milliseconds and a
megabyte each, some forty for every new length of a pack. Rows of a dataset have nearly as many lengths as there are
steps; rounded, a training meets all its shapes in the first ones, and its memory stays where it is.
"""

# Rows that one tile of the processor's matrix unit takes.
GRAIN = 32


def even(length: int) -> int:
    """The next length in use: multiples of ``GRAIN``, from 512 on eight an octave (never an eighth too much)."""
    grain = max(GRAIN, 1 << max(0, (length - 1).bit_length() - 4))
    return -(-length // grain) * grain
