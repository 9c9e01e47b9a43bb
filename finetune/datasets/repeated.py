"""The numbers that occur more than once among millions, in little memory beside them."""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# About so many are sorted at once.
SHARD = 1 << 19


def repeated(parts: "Sequence[array[int]]") -> Iterator[int]:
    """Where, from 0 and in order, a number stands that stands elsewhere too."""
    begin = 0
    for part, places in zip(parts, repeated_by_part(parts), strict=True):
        yield from (places + begin).tolist()
        begin += len(part)


def repeated_by_part(parts: "Sequence[array[int]]") -> Iterator[NDArray[np.intp]]:
    """The same for each part, from 0 in each; a part may be changed once its places are there."""
    if not parts:
        return
    values = [np.frombuffer(part, np.int64) for part in parts]
    shards = sum(map(len, values)) // SHARD + 1
    twice = []
    for shard in range(shards):
        # All that are equal are in one shard.
        ordered = np.sort(np.concatenate([part[part % shards == shard] if shards > 1 else part for part in values]))
        twice.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
    wanted = np.sort(np.concatenate(twice))
    for part in values:
        if len(wanted):
            at = np.minimum(np.searchsorted(wanted, part), len(wanted) - 1)
            yield np.flatnonzero(wanted[at] == part)
        else:
            yield np.empty(0, np.intp)
