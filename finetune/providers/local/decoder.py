"""A frozen decoder of the Llama or Qwen2 family with LoRA adapters, forwards and backwards by hand.

The arithmetic is that of transformers' model under PEFT (a test holds the two together, gradients and all). Written out
it needs a quarter of the operations: projections of the same input are one product, the adapters of a step are cast
once, and nothing is recorded that the way back does not use. On a processor that is about half of a step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from finetune.providers.local.attention import Attention, Group
from finetune.providers.local.shapes import even

# Logits of a whole batch and vocabulary would be most of a step's memory.
LOGIT_ROWS = 128


class Dropout:
    """Seeded masks, several times quicker than torch's own on a processor."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.seed(0, 0)

    def seed(self, seed: int, step: int) -> None:
        """Begin a step's sequence."""
        self._generator = np.random.Generator(np.random.SFC64([seed, step]))

    def mask(self, like: torch.Tensor) -> torch.Tensor | None:
        """Ones and zeros shaped and typed as ``like``; nothing where nothing is dropped. Scaling is the caller's."""
        if not self.share:
            return None
        words = np.frombuffer(self._generator.bytes(2 * like.numel()), dtype=np.uint16)
        return torch.from_numpy(words >= round(self.share * 65536)).view(like.shape).to(like.dtype)

    @property
    def kept(self) -> float:
        """The share that is kept."""
        return 1 - self.share


@dataclass(slots=True)
class Adapters:
    """Low-rank terms of projections that share an input, as one pair of products.

    ``down`` (rank of all, in) and ``up`` (out of all, rank of all) are this step's weights in the base's precision;
    ``up`` is zero where a projection meets another's rank. ``blocks`` are the (out, rank) ranges of the single ones.
    """

    downs: list[torch.Tensor]
    ups: list[torch.Tensor]
    scaling: float
    down: torch.Tensor
    up: torch.Tensor
    blocks: list[tuple[slice, slice]]

    @classmethod
    def of(cls, modules: list[Any], name: str, dtype: torch.dtype) -> "Adapters":
        """From PEFT's layers."""
        downs = [module.lora_A[name].weight for module in modules]
        ups = [module.lora_B[name].weight for module in modules]
        blocks, row, column = [], 0, 0
        for up in ups:
            blocks.append((slice(row, row + up.shape[0]), slice(column, column + up.shape[1])))
            row, column = row + up.shape[0], column + up.shape[1]
        down = torch.empty(column, downs[0].shape[1], dtype=dtype)
        return cls(downs, ups, modules[0].scaling[name], down, torch.zeros(row, column, dtype=dtype), blocks)

    def refresh(self) -> None:
        """Take over what the optimiser changed."""
        for down, up, (rows, columns) in zip(self.downs, self.ups, self.blocks, strict=True):
            self.down[columns] = down
            self.up[rows, columns] = up

    def collect(self, to_down: torch.Tensor, to_up: torch.Tensor) -> None:
        """Add gradients to the single adapters'."""
        for down, up, (rows, columns) in zip(self.downs, self.ups, self.blocks, strict=True):
            down.grad += to_down[columns]
            up.grad += to_up[rows, columns]


@dataclass(slots=True)
class Kept:
    """What a projection needs on its way back."""

    seen: torch.Tensor
    low: torch.Tensor
    mask: torch.Tensor | None


class Projection:
    """One or more linear layers of the same input, with their adapters."""

    def __init__(self, modules: list[Any], name: str, dropout: Dropout) -> None:
        layers = [module.base_layer for module in modules]
        self._weight = torch.cat([layer.weight.data for layer in layers]) if len(layers) > 1 else layers[0].weight.data
        start = 0
        for layer in layers:
            # One copy of the weights serves both this and whoever asks the layer.
            layer.weight.data = self._weight[start : start + layer.out_features]
            start += layer.out_features
        biases = [layer.bias for layer in layers if layer.bias is not None]
        self._bias = torch.cat([bias.data for bias in biases]) if biases else None
        self.adapters = Adapters.of(modules, name, self._weight.dtype)
        self._dropout = dropout

    def forward(self, x: torch.Tensor, *, learning: bool) -> tuple[torch.Tensor, Kept]:
        """Out (tokens, out of all) for x (tokens, in)."""
        mask = self._dropout.mask(x) if learning else None
        seen = x if mask is None else x * mask
        low = seen @ self.adapters.down.t()
        output = functional.linear(x, self._weight, self._bias)
        scaling = self.adapters.scaling / (1 if mask is None else self._dropout.kept)
        return output.addmm_(low, self.adapters.up.t(), alpha=scaling), Kept(seen, low, mask)

    def backward(self, gradient: torch.Tensor, kept: Kept) -> torch.Tensor:
        """The gradient of x; those of the adapters are collected."""
        scaling = self.adapters.scaling / (1 if kept.mask is None else self._dropout.kept)
        to_low = (gradient @ self.adapters.up).mul_(scaling)
        self.adapters.collect(to_low.t() @ kept.seen, (gradient.t() @ kept.low).mul_(scaling))
        to_x = gradient @ self._weight
        if kept.mask is None:
            return to_x.addmm_(to_low, self.adapters.down)
        return to_x.addcmul_(to_low @ self.adapters.down, kept.mask)


class Norm:
    """Root mean square normalisation with frozen weights, in fp32 within."""

    def __init__(self, module: Any) -> None:
        self._weight = module.weight.data
        self._epsilon = module.variance_epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shaped as x (tokens, width)."""
        wide = x.float()
        return (wide * self._scale(wide)).to(x.dtype) * self._weight

    def backward(self, gradient: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The gradient of x."""
        wide = x.float()
        scale = self._scale(wide)
        straight = (gradient * self._weight).float()
        normal = wide * scale
        along = (straight * normal).mean(-1, keepdim=True)
        return normal.mul_(along).sub_(straight).mul_(-scale).to(x.dtype)

    def _scale(self, wide: torch.Tensor) -> torch.Tensor:
        square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        return square.div_(wide.shape[-1]).add_(self._epsilon).rsqrt_()


def turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of x (tokens, heads, width) by halves; cosine and sine (tokens, 1, half a width)."""
    output = torch.empty(x.shape, dtype=x.dtype)
    first, second = x.chunk(2, -1)
    to_first, to_second = output.chunk(2, -1)
    torch.mul(first, cosine, out=to_first)
    to_first.addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=to_second)
    to_second.addcmul_(first, sine)
    return output


@dataclass(slots=True)
class Memory:
    """What a layer keeps of its way forward."""

    x: torch.Tensor
    middle: torch.Tensor
    turned: torch.Tensor
    value: torch.Tensor
    both: torch.Tensor
    opened: torch.Tensor
    kept: list[Kept]


class Layer:
    """One decoder layer."""

    def __init__(self, module: Any, config: Any, name: str, dropout: Dropout) -> None:
        attention, mlp = module.self_attn, module.mlp
        self._heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._width = attention.head_dim
        self._attention = Attention(self._heads, self._key_heads, self._width, attention.scaling)
        self._norms = Norm(module.input_layernorm), Norm(module.post_attention_layernorm)
        into = [attention.q_proj, attention.k_proj, attention.v_proj]
        self.projections = [
            Projection(modules, name, dropout)
            for modules in (into, [attention.o_proj], [mlp.gate_proj, mlp.up_proj], [mlp.down_proj])
        ]

    def forward(
        self, x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor], parts: list[Group], *, learning: bool
    ) -> tuple[torch.Tensor, Memory]:
        """The next states (tokens, width)."""
        into, out, both_ways, down = self.projections
        mixed, into_kept = into.forward(self._norms[0].forward(x), learning=learning)
        mixed = mixed.view(len(x), -1, self._width)
        rotated = turned(mixed[:, : -self._key_heads], *angles)
        value = mixed[:, -self._key_heads :].contiguous()
        seen = self._attention.forward(rotated[:, : self._heads], rotated[:, self._heads :], value, parts)
        added, out_kept = out.forward(seen.view(len(x), -1), learning=learning)
        middle = x + added
        both, both_kept = both_ways.forward(self._norms[1].forward(middle), learning=learning)
        gate, up = both.chunk(2, -1)
        opened = functional.silu(gate)
        added, down_kept = down.forward(opened * up, learning=learning)
        kept = [into_kept, out_kept, both_kept, down_kept]
        return middle + added, Memory(x, middle, rotated, value, both, opened, kept)

    def backward(
        self, gradient: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor], parts: list[Group], memory: Memory
    ) -> torch.Tensor:
        """The gradient of x from that of the next states."""
        into, out, both_ways, down = self.projections
        to_product = down.backward(gradient, memory.kept[3])
        gate, up = memory.both.chunk(2, -1)
        to_both = torch.empty_like(memory.both)
        to_gate, to_up = to_both.chunk(2, -1)
        torch.mul(to_product, memory.opened, out=to_up)
        torch.ops.aten.silu_backward.grad_input(to_product.mul_(up), gate, grad_input=to_gate)
        gradient = gradient + self._norms[1].backward(both_ways.backward(to_both, memory.kept[2]), memory.middle)
        upstream = out.backward(gradient, memory.kept[1]).view(len(gradient), -1, self._width)
        rotated = memory.turned
        to_query, to_key, to_value = self._attention.backward(
            upstream, rotated[:, : self._heads], rotated[:, self._heads :], memory.value, parts
        )
        cosine, sine = angles
        back = turned(torch.cat((to_query, to_key), 1), cosine, -sine)
        to_mixed = torch.cat((back, to_value), 1).view(len(gradient), -1)
        return gradient + self._norms[0].backward(into.backward(to_mixed, memory.kept[0]), memory.x)


def _settle() -> None:
    """Have the angles' functions chosen while one thread runs.

    MKL chooses a function's kernel at its first call; of threads that make that call together one may get a rough
    kernel for its share (github.com/pytorch/pytorch/issues/188792), and a training would not come out as another.
    """
    few = torch.ones(4)
    few.cos()
    few.sin()


class Decoder:
    """All layers of a PEFT model, from token ids to states."""

    def __init__(self, base: Any, name: str, share: float) -> None:
        self.dropout = Dropout(share)
        self._embedding = base.model.embed_tokens
        self._rotary = base.model.rotary_emb
        self._norm = Norm(base.model.norm)
        self._head = base.lm_head.weight.data
        self._layers = [Layer(module, base.config, name, self.dropout) for module in base.model.layers]
        _settle()

    def refresh(self) -> None:
        """Take over changed adapters."""
        for layer in self._layers:
            for projection in layer.projections:
                projection.adapters.refresh()

    def states(
        self, ids: torch.Tensor, positions: torch.Tensor, parts: list[Group], *, learning: bool
    ) -> tuple[torch.Tensor, list[Memory]]:
        """The last layer's states (tokens, width) for ids and positions (tokens,), and what :meth:`backward` needs."""
        x = self._embedding(ids)
        angles = self._angles(x, positions)
        memories = []
        for layer in self._layers:
            x, memory = layer.forward(x, angles, parts, learning=learning)
            if learning:
                memories.append(memory)
        return x, memories

    def backward(
        self, gradient: torch.Tensor, positions: torch.Tensor, parts: list[Group], memories: list[Memory]
    ) -> None:
        """Collect the adapters' gradients from that of the last states; ``memories`` is used up."""
        angles = self._angles(gradient, positions)
        for layer in reversed(self._layers):
            gradient = layer.backward(gradient, angles, parts, memories.pop())

    def loss(
        self, states: torch.Tensor, labels: torch.Tensor, scale: float | None
    ) -> tuple[float, torch.Tensor | None]:
        """The summed cross-entropy of states (learned, width), and ``scale`` times its gradient if that is wanted."""
        learned, missing = len(labels), even(len(labels)) - len(labels)
        normal = functional.pad(self._norm.forward(states), (0, 0, 0, missing))
        labels = functional.pad(labels, (0, missing))
        gradient = None if scale is None else torch.empty_like(normal)
        total = 0.0
        for start in range(0, learned, LOGIT_ROWS):
            rows = slice(start, start + LOGIT_ROWS)
            real = learned - start
            wanted = labels[rows].unsqueeze(1)
            logits = normal[rows] @ self._head.t()
            if gradient is None or scale is None:
                total -= float(torch.log_softmax(logits, 1, dtype=torch.float32).gather(1, wanted)[:real].sum())
                continue
            # Never in fp32 as a whole: the likeliest token's share, 1 / sum(exp(logit - highest)), tells the norm.
            chances = torch.softmax(logits, 1)
            norm = logits.amax(1, keepdim=True).float() - chances.amax(1, keepdim=True).float().log()
            total += float((norm - logits.gather(1, wanted).float())[:real].sum())
            chances[torch.arange(len(wanted)), wanted[:, 0]] -= 1
            gradient[rows] = (chances @ self._head).mul_(scale)
        return total, None if gradient is None else self._norm.backward(gradient[:learned], states)

    def _angles(self, like: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cosine, sine = self._rotary(like, positions.unsqueeze(0))
        half = cosine.shape[-1] // 2
        return cosine[0, :, None, :half].contiguous(), sine[0, :, None, :half].contiguous()
