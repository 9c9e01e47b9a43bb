"""Many examples in one sequence: hardly any padding, and what they begin with alike is computed once.

Rows of a chat dataset mostly share their system prompt. A pack holds that common beginning once, then each row's
rest; attention lets a rest see the common beginning and itself, which gives the same numbers as row by row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from finetune.providers.local.attention import Group, groups
from finetune.providers.local.examples import Example
from finetune.providers.local.shapes import GRAIN, even


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass: ids and positions (tokens,), the first ``prefix`` of them common to all rows.

    ``groups`` tells who sees whom; the last tokens may belong to none, they only fill up. ``labels`` (learned,) belong
    to the states at ``at``.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    prefix: int
    groups: list[Group]
    at: torch.Tensor
    labels: torch.Tensor


def packs(batch: Sequence[Example], budget: int) -> Iterable[Pack]:
    """Cut a batch into packs of at most ``budget`` tokens (a longer row is a pack of its own)."""
    ordered = sorted(batch, key=lambda example: example.ids)
    group: list[Example] = []
    for example in ordered:
        wanted = [*group, example]
        # A row that begins otherwise takes from all before it what they share.
        if group and sum(len(each.ids) for each in wanted) - common_prefix(wanted) * len(group) > budget:
            yield pack(group)
            group = []
        group.append(example)
    if group:
        yield pack(group)


def common_prefix(examples: Sequence[Example]) -> int:
    """Leading tokens that all examples share, none of which predicts a learned token; a multiple of ``GRAIN``."""
    if len(examples) == 1:
        return 0
    limit = min(
        example.targets.index(True) - 1 if True in example.targets else len(example.ids) for example in examples
    )
    first, last = min(e.ids for e in examples), max(e.ids for e in examples)
    shared = next((index for index in range(max(limit, 0)) if first[index] != last[index]), max(limit, 0))
    return shared // GRAIN * GRAIN


def pack(examples: Sequence[Example]) -> Pack:
    """Lay examples out one after another, and fill up to an even length."""
    prefix = common_prefix(examples)
    ids, positions = list(examples[0].ids[:prefix]), list(range(prefix))
    at: list[int] = []
    labels: list[int] = []
    sizes: list[int] = []
    for example in examples:
        start = len(ids)
        ids += example.ids[prefix:]
        positions += range(prefix, len(example.ids))
        sizes.append(len(ids) - start)
        for index in range(max(prefix, 1), len(example.ids)):
            if example.targets[index]:
                at.append(start + index - prefix - 1)
                labels.append(example.ids[index])
    missing = even(len(ids)) - len(ids)
    ids += ids[:1] * missing
    positions += [0] * missing
    return Pack(
        torch.tensor(ids),
        torch.tensor(positions),
        prefix,
        groups(prefix, sizes),
        torch.tensor(at),
        torch.tensor(labels),
    )
