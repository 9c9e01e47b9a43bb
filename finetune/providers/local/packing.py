"""Many examples in one sequence: no padding, and what they begin with alike is computed once.

Rows of a chat dataset mostly share their system prompt. A pack holds that common beginning once, then each row's
rest; attention lets a rest see the common beginning and itself, which gives the same numbers as row by row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface

from finetune.providers.local.examples import Example

ATTENTION = "tuneteller_packed"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a pack lie: ``prefix`` common tokens first, then each rest's (start, end, mask).

    The mask is (rest, prefix + rest) and only set when there is a prefix.
    """

    prefix: int
    rests: tuple[tuple[int, int, torch.Tensor | None], ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass: ids and positions of shape (1, tokens); labels (learned,) for the states at ``at``."""

    ids: torch.Tensor
    positions: torch.Tensor
    layout: Layout
    at: torch.Tensor
    labels: torch.Tensor


def packs(batch: Sequence[Example], budget: int) -> Iterable[Pack]:
    """Cut a batch into packs of at most ``budget`` tokens (a longer row is a pack of its own)."""
    ordered = sorted(batch, key=lambda example: example.ids)
    group: list[Example] = []
    size = 0
    for example in ordered:
        if group and size + len(example.ids) > budget:
            yield pack(group)
            group, size = [], 0
        size += len(example.ids) - (common_prefix([group[0], example]) if group else 0)
        group.append(example)
    if group:
        yield pack(group)


def common_prefix(examples: Sequence[Example]) -> int:
    """Leading tokens that all examples share, none of which predicts a learned token."""
    limit = min(
        example.targets.index(True) - 1 if True in example.targets else len(example.ids) for example in examples
    )
    if len(examples) == 1:
        return 0
    first, last = min(e.ids for e in examples), max(e.ids for e in examples)
    for index in range(max(limit, 0)):
        if first[index] != last[index]:
            return index
    return max(limit, 0)


def pack(examples: Sequence[Example]) -> Pack:
    """Lay examples out one after another."""
    prefix = common_prefix(examples)
    ids, positions = list(examples[0].ids[:prefix]), list(range(prefix))
    at: list[int] = []
    labels: list[int] = []
    rests = []
    for example in examples:
        start = len(ids)
        ids += example.ids[prefix:]
        positions += range(prefix, len(example.ids))
        for index in range(max(prefix, 1), len(example.ids)):
            if example.targets[index]:
                at.append(start + index - prefix - 1)
                labels.append(example.ids[index])
        rest = len(ids) - start
        mask = torch.ones(rest, prefix + rest, dtype=torch.bool).tril(prefix) if prefix else None
        rests.append((start, len(ids), mask))
    return Pack(
        torch.tensor([ids]),
        torch.tensor([positions]),
        Layout(prefix, tuple(rests)),
        torch.tensor(at),
        torch.tensor(labels),
    )


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    layout: Layout,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention over a pack; query (1, heads, tokens, width), key and value with their own number of heads."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    attend = functional.scaled_dot_product_attention
    outputs = []
    prefix = layout.prefix
    if prefix:
        q, k, v = (tensor[:, :, :prefix] for tensor in (query, key, value))
        outputs.append(attend(q, k, v, is_causal=True, scale=scaling))
    for start, end, mask in layout.rests:
        q, k, v = (tensor[:, :, start:end] for tensor in (query, key, value))
        if mask is None:
            outputs.append(attend(q, k, v, is_causal=True, scale=scaling))
        else:
            k, v = torch.cat((key[:, :, :prefix], k), 2), torch.cat((value[:, :, :prefix], v), 2)
            outputs.append(attend(q, k, v, attn_mask=mask, scale=scaling))
    return torch.cat(outputs, 2).transpose(1, 2), None


AttentionInterface.register(ATTENTION, _attend)
