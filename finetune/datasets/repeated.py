"""The numbers that occur more than once among millions, in little memory beside them."""

from array import array
from collections.abc import Iterator

import numpy as np

# So many are sorted at once.
SHARD = 1 << 19


def repeated(numbers: "array[int]") -> Iterator[int]:
    """Where, from 0 and in order, a number stands that stands elsewhere too."""
    values = np.frombuffer(numbers, np.int64)
    shards = len(values) // SHARD + 1
    found = np.zeros(len(values), np.bool_)
    for shard in range(shards):
        # All that are equal are in one shard.
        among = np.flatnonzero(values % shards == shard) if shards > 1 else slice(None)
        mine = values[among]
        ordered = np.sort(mine)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            at = np.minimum(np.searchsorted(twice, mine), len(twice) - 1)
            found[among] = twice[at] == mine
    # Not as one list: they may be all.
    for begin in range(0, len(found), SHARD):
        yield from (np.flatnonzero(found[begin : begin + SHARD]) + begin).tolist()
