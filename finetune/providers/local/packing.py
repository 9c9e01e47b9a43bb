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
# Up to this many keys, whole score matrices in bf16 are twice as quick as the fused kernel; beyond, they cost memory.
SHORT = 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a pack lie: ``prefix`` common tokens first (or none), then each row's rest.

    ``sizes`` are the lengths of these pieces; ``masks`` (size, visible) are true where a piece must not look, at
    later tokens: a piece sees the prefix and itself.
    """

    prefix: int
    sizes: list[int]
    masks: tuple[torch.Tensor, ...]


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
    sizes = [prefix] if prefix else []
    for example in examples:
        start = len(ids)
        ids += example.ids[prefix:]
        positions += range(prefix, len(example.ids))
        sizes.append(len(ids) - start)
        for index in range(max(prefix, 1), len(example.ids)):
            if example.targets[index]:
                at.append(start + index - prefix - 1)
                labels.append(example.ids[index])
    masks = [_later(size, prefix) for size in sizes]
    if prefix:
        masks[0] = _later(prefix, 0)
    layout = Layout(prefix, sizes, tuple(masks))
    return Pack(torch.tensor([ids]), torch.tensor([positions]), layout, torch.tensor(at), torch.tensor(labels))


def _later(size: int, before: int) -> torch.Tensor:
    return torch.ones(size, before + size, dtype=torch.bool).triu(before + 1)


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
    sizes = layout.sizes
    queries, keys, values = (tensor.split(sizes, 2) for tensor in (query, key, value))
    outputs = []
    if layout.prefix:
        outputs.append(_attend_one(queries[0], keys[0], values[0], layout.masks[0], scaling))
        for q, k, v, mask in zip(queries[1:], keys[1:], values[1:], layout.masks[1:], strict=True):
            k, v = torch.cat((keys[0], k), 2), torch.cat((values[0], v), 2)
            outputs.append(_attend_one(q, k, v, mask, scaling))
    else:
        for q, k, v, mask in zip(queries, keys, values, layout.masks, strict=True):
            outputs.append(_attend_one(q, k, v, mask, scaling))
    return torch.cat(outputs, 2).transpose(1, 2), None


def _attend_one(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scaling: float) -> torch.Tensor:
    """One row; the mask (queries, keys) is true where a query must not look."""
    groups = q.shape[1] // k.shape[1]
    if q.dtype is torch.bfloat16 and k.shape[2] <= SHORT:
        # Query heads that share a key head become more rows of one product: nothing is repeated.
        _, heads, length, width = q.shape
        stacked = q.reshape(1, heads // groups, groups * length, width)
        scores = (stacked * scaling) @ k.transpose(2, 3)
        scores = scores.view(1, heads // groups, groups, length, -1).masked_fill_(mask, float("-inf"))
        chances = torch.softmax(scores, -1).view(1, heads // groups, groups * length, -1)
        return (chances @ v).view(1, heads, length, width)
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    if q.shape[2] == k.shape[2]:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=~mask, scale=scaling)


AttentionInterface.register(ATTENTION, _attend)
