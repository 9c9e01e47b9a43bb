"""What makes LoRA quick on a processor: adapters in one product, cheap dropout, a loss that never holds all logits."""

from typing import Any

import numpy as np
import torch

LOGIT_ROWS = 64


class RandomBytes:
    """A fast seeded source of 16-bit words for dropout, several times quicker than torch's own here."""

    def __init__(self) -> None:
        self.seed(0, 0)

    def seed(self, seed: int, step: int) -> None:
        """Begin a step's sequence."""
        self._generator = np.random.Generator(np.random.SFC64([seed, step]))

    def words(self, count: int) -> "np.ndarray[Any, np.dtype[np.uint16]]":
        """``count`` words between 0 and 65535."""
        return np.frombuffer(self._generator.bytes(2 * count), dtype=np.uint16)


class AdapterProduct(torch.autograd.Function):  # type: ignore[misc]
    """``result + dropout(x) down' up'`` with a gradient that keeps of the dropout one byte an element, no copies.

    x (tokens, in), result (tokens, out), down (rank, in), up (out, rank) with the scaling in it; ``keep`` (tokens, in)
    or nothing.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        result: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        keep: torch.Tensor | None,
        share: float,
    ) -> torch.Tensor:
        """The sum."""
        seen = x if keep is None else x * keep
        low = seen @ down.t()
        if keep is not None:
            low /= 1 - share
        ctx.share = share
        ctx.save_for_backward(x, low, down, up, keep)
        return torch.addmm(result, low, up.t())

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, result, down and up."""
        x, low, down, up, keep = ctx.saved_tensors
        gradient = upstream[0]
        to_low = gradient @ up
        to_up = gradient.t() @ low
        if keep is None:
            return to_low @ down, gradient, to_low.t() @ x, to_up, None, None
        to_low = to_low / (1 - ctx.share)
        return (to_low @ down).mul_(keep), gradient, to_low.t() @ (x * keep), to_up, None, None


class FusedLora:
    """PEFT's LoRA variant interface: the adapter in the base's precision, added to its output in one product."""

    random = RandomBytes()

    @classmethod
    def forward(
        cls, module: Any, *, active_adapter: str, x: torch.Tensor, result: torch.Tensor, **_: Any
    ) -> torch.Tensor:
        """``result + scaling * dropout(x) A' B'``; x (1, tokens, in), result (1, tokens, out)."""
        down = module.lora_A[active_adapter].weight.to(x.dtype)
        up = (module.lora_B[active_adapter].weight * module.scaling[active_adapter]).to(x.dtype)
        rows = x.view(-1, x.shape[-1])
        share = float(getattr(module.lora_dropout[active_adapter], "p", 0.0))
        keep = None
        if module.training and share > 0:
            keep = torch.from_numpy(cls.random.words(rows.numel()) >= round(share * 65536)).view(rows.shape)
        # A share of one keeps nothing, and nothing scaled is nothing.
        total: torch.Tensor = AdapterProduct.apply(
            rows, result.view(-1, result.shape[-1]), down, up, keep, min(share, 0.5) if share >= 1 else share
        )
        return total.view(result.shape)


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
