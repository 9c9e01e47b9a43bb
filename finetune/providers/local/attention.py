"""Causal attention over a pack of rows that share a beginning, forwards and backwards.

Rows of nearly the same length are padded to one batch; queries are taken a block at a time, so that no score matrix is
larger than ``BLOCK`` times the keys that a block sees. Scores are computed anew on the way back: they would be most of
what a step keeps.
"""

from dataclasses import dataclass

import torch

from finetune.providers.local.shapes import even

softmax_backward = torch.ops.aten._softmax_backward_data  # noqa: SLF001 - torch has no public name for it

BLOCK = 128
# A row joins a group whose longest row is at most this much longer.
STRETCH = 2


@dataclass(frozen=True, slots=True)
class Group:
    """Pieces of a pack that are computed together.

    ``index`` (pieces, length) holds each piece's tokens, padded with its first; ``real`` (pieces, length) tells which
    are its own. ``prefix``: how many of the pack's first tokens every piece sees before its own.
    """

    index: torch.Tensor
    real: torch.Tensor
    prefix: int


def groups(prefix: int, sizes: list[int]) -> list[Group]:
    """The groups of a pack: ``prefix`` common tokens first, then pieces of the given sizes."""
    found = [_group([(0, prefix)], 0)] if prefix else []
    starts, start = [], prefix
    for size in sizes:
        starts.append((start, size))
        start += size
    starts.sort(key=lambda piece: -piece[1])
    pending: list[tuple[int, int]] = []
    for piece in starts:
        if pending and pending[0][1] > STRETCH * piece[1]:
            found.append(_group(pending, prefix))
            pending = []
        pending.append(piece)
    if pending:
        found.append(_group(pending, prefix))
    return found


def _group(pieces: list[tuple[int, int]], prefix: int) -> Group:
    longest = even(max(size for _, size in pieces))
    places = torch.arange(longest).expand(len(pieces), longest)
    start = torch.tensor([[start] for start, _ in pieces])
    real = places < torch.tensor([[size] for _, size in pieces])
    return Group(torch.where(real, start + places, start), real, prefix)


class Attention:
    """Grouped-query attention of one shape; ``scaling`` multiplies the scores."""

    def __init__(self, heads: int, key_heads: int, width: int, scaling: float) -> None:
        self._heads = heads
        self._key_heads = key_heads
        self._width = width
        self._scaling = scaling

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, parts: list[Group]) -> torch.Tensor:
        """Query (tokens, heads, width), key and value (tokens, key heads, width); the answer is shaped as the query.

        Tokens of no group get nothing.
        """
        output = torch.zeros_like(query)
        for group in parts:
            keys, values = self._seen(key, group), self._seen(value, group)
            gathered = query[group.index]
            answers = torch.empty_like(gathered)
            for start, end, before in self._blocks(group):
                chances = self._chances(self._stacked(gathered[:, start:end]), keys[:, :, :before], end - start)
                answers[:, start:end] = self._unstacked(chances @ values[:, :, :before], end - start)
            output[group.index[group.real]] = answers[group.real]
        return output

    def backward(
        self,
        gradient: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        parts: list[Group],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradients of query, key and value from that of the answer."""
        to_query, to_key, to_value = torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for group in parts:
            keys, values = self._seen(key, group), self._seen(value, group)
            gathered = query[group.index]
            # What was padding has no part in the loss.
            upstream = gradient[group.index] * group.real[:, :, None, None].to(gradient.dtype)
            to_gathered = torch.empty_like(gathered)
            to_keys, to_values = torch.zeros_like(keys), torch.zeros_like(values)
            for start, end, before in self._blocks(group):
                stacked, wanted = self._stacked(gathered[:, start:end]), self._stacked(upstream[:, start:end])
                seen = keys[:, :, :before]
                chances = self._chances(stacked, seen, end - start)
                to_values[:, :, :before] += chances.transpose(2, 3) @ wanted
                to_chances = wanted @ values[:, :, :before].transpose(2, 3)
                to_scores = softmax_backward(to_chances, chances, -1, chances.dtype)
                to_keys[:, :, :before] += to_scores.transpose(2, 3) @ (stacked * self._scaling)
                to_gathered[:, start:end] = self._unstacked(to_scores @ seen, end - start)
            to_query[group.index[group.real]] = to_gathered[group.real].mul_(self._scaling)
            self._unseen(to_key, to_keys, group)
            self._unseen(to_value, to_values, group)
        return to_query, to_key, to_value

    @staticmethod
    def _blocks(group: Group) -> list[tuple[int, int, int]]:
        """First query, end of the queries, and how many keys they see."""
        length = group.index.shape[1]
        ends = [min(start + BLOCK, length) for start in range(0, length, BLOCK)]
        return [(start, end, group.prefix + end) for start, end in zip(range(0, length, BLOCK), ends, strict=True)]

    @staticmethod
    def _seen(tensor: torch.Tensor, group: Group) -> torch.Tensor:
        """Keys or values of a group's pieces, the prefix first: (pieces, key heads, tokens, width)."""
        own = tensor[group.index]
        if group.prefix:
            own = torch.cat((tensor[: group.prefix].expand(len(own), -1, -1, -1), own), 1)
        return own.transpose(1, 2).contiguous()

    @staticmethod
    def _unseen(total: torch.Tensor, gradient: torch.Tensor, group: Group) -> None:
        """Add the gradient of what :meth:`_seen` gave to that of what it was given."""
        gradient = gradient.transpose(1, 2)
        if group.prefix:
            total[: group.prefix] += gradient[:, : group.prefix].sum(0)
        total[group.index[group.real]] += gradient[:, group.prefix :][group.real]

    def _stacked(self, query: torch.Tensor) -> torch.Tensor:
        """Query heads that share a key head become more rows of one product: nothing is repeated."""
        pieces, length = query.shape[:2]
        shape = (pieces, length, self._key_heads, self._heads // self._key_heads, self._width)
        return query.reshape(shape).permute(0, 2, 3, 1, 4).reshape(pieces, self._key_heads, -1, self._width)

    def _unstacked(self, answers: torch.Tensor, length: int) -> torch.Tensor:
        pieces = len(answers)
        shape = (pieces, self._key_heads, self._heads // self._key_heads, length, self._width)
        return answers.view(shape).permute(0, 3, 1, 2, 4).reshape(pieces, length, self._heads, self._width)

    def _chances(self, stacked: torch.Tensor, keys: torch.Tensor, length: int) -> torch.Tensor:
        """What each query takes of each key; (pieces, key heads, heads a key head times queries, keys)."""
        scores = (stacked * self._scaling) @ keys.transpose(2, 3)
        later = torch.full((length, length), float("-inf"), dtype=scores.dtype).triu_(1)
        scores.view(*scores.shape[:2], -1, length, scores.shape[-1])[..., -length:] += later
        return torch.softmax(scores, -1)
