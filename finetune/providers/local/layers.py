"""What makes LoRA quick on a processor: fused adapter layers, cheap dropout, a loss that never holds all logits."""

from typing import Any

import numpy as np
import torch
from torch import nn

LOGIT_ROWS = 64


class SeededDropout(nn.Module):  # type: ignore[misc]
    """Dropout whose mask comes from a generator of random bytes, several times faster than torch's own here.

    ``seed`` restarts the generator, so that a resumed run draws what the uninterrupted one would have drawn.
    """

    def __init__(self, share: float, source: "RandomBytes") -> None:
        super().__init__()
        self._share = share
        self._source = source

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero a share of the elements and scale the others up, in training only."""
        if not self.training:
            return x
        if self._share >= 1:
            return torch.zeros_like(x)
        keep = self._source.words(x.numel()) >= round(self._share * 65536)
        return x * (torch.from_numpy(keep).view(x.shape).to(x.dtype) / (1 - self._share))


class RandomBytes:
    """A fast seeded source of 16-bit words."""

    def __init__(self) -> None:
        self.seed(0, 0)

    def seed(self, seed: int, step: int) -> None:
        """Begin a step's sequence."""
        self._generator = np.random.Generator(np.random.SFC64([seed, step]))

    def words(self, count: int) -> "np.ndarray[Any, np.dtype[np.uint16]]":
        """``count`` words between 0 and 65535."""
        return np.frombuffer(self._generator.bytes(2 * count), dtype=np.uint16)


class FusedLora:
    """PEFT's LoRA variant interface: the adapter in the base's precision, added to its output in one product."""

    @staticmethod
    def forward(module: Any, *, active_adapter: str, x: torch.Tensor, result: torch.Tensor, **_: Any) -> torch.Tensor:
        """``result + scaling * dropout(x) A' B'``; x (1, tokens, in), result (1, tokens, out)."""
        down = module.lora_A[active_adapter].weight.to(x.dtype)
        up = (module.lora_B[active_adapter].weight * module.scaling[active_adapter]).to(x.dtype)
        x = module.lora_dropout[active_adapter](x).view(-1, x.shape[-1])
        return torch.addmm(result.view(-1, result.shape[-1]), x @ down.t(), up.t()).view(result.shape)


class AnswerLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum of the cross-entropies of ``states`` (learned, width) through a frozen head (vocabulary, width).

    The gradient is computed on the way forward, a few rows at a time, so that logits and gradients of the whole batch
    never exist together.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar in fp32."""
        needed = states.requires_grad
        gradient = torch.empty_like(states) if needed else None
        total = torch.zeros((), dtype=torch.float32)
        for start in range(0, len(labels), LOGIT_ROWS):
            rows = slice(start, start + LOGIT_ROWS)
            logits = (states[rows] @ head.t()).float()
            wanted = labels[rows].unsqueeze(1)
            norm = torch.logsumexp(logits, 1, keepdim=True)
            total += (norm - logits.gather(1, wanted)).sum()
            if gradient is not None:
                chances = logits.sub_(norm).exp_()
                chances.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=chances.dtype))
                gradient[rows] = chances.to(states.dtype) @ head
        ctx.save_for_backward(*([gradient] if gradient is not None else []))
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """The kept gradient, scaled."""
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0].to(gradient.dtype), None, None
