"""The numbers that occur more than once among millions, in little memory beside them."""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

# About so many are sorted at once.
SHARD = 1 << 19


def repeated(parts: "Sequence[array[int]]") -> Iterator[int]:
    """Where, from 0 and in order, a number stands that stands elsewhere too."""
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
    begin = 0
    for part in values if len(wanted) else []:
        at = np.minimum(np.searchsorted(wanted, part), len(wanted) - 1)
        yield from (np.flatnonzero(wanted[at] == part) + begin).tolist()
        begin += len(part)
