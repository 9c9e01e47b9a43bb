"""The numbers that occur more than once among millions, in little memory beside them."""

from array import array
from collections.abc import Iterator

import numpy as np

# About so many are sorted at once, and so many looked at.
SHARD = 1 << 19


def repeated(numbers: "array[int]") -> Iterator[int]:
    """Where, from 0 and in order, a number stands that stands elsewhere too."""
    values = np.frombuffer(numbers, np.int64)
    shards = len(values) // SHARD + 1
    parts = [slice(begin, begin + SHARD) for begin in range(0, len(values), SHARD)]
    twice = []
    for shard in range(shards):
        # All that are equal are in one shard.
        mine = (
            [part[part % shards == shard] for part in (values[slice_] for slice_ in parts)] if shards > 1 else [values]
        )
        ordered = np.sort(np.concatenate(mine))
        twice.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
    wanted = np.sort(np.concatenate(twice))
    if not len(wanted):
        return
    for slice_ in parts:
        part = values[slice_]
        at = np.minimum(np.searchsorted(wanted, part), len(wanted) - 1)
        yield from (np.flatnonzero(wanted[at] == part) + slice_.start).tolist()
