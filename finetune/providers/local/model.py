"""The base with a fresh adapter on it, in the precision that is fastest on this processor."""

import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM

from finetune.providers.local.decoder import Decoder
from finetune.providers.local.packing import Pack

_ADAPTER = "default"


def fastest_dtype() -> torch.dtype:
    """bf16 where a product of the usual shape is quicker in it than in fp32. Takes a few milliseconds.

    Both are tried in turn and the best time of each counts: what else the machine does must not decide it.
    """
    pairs = {
        dtype: (torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype))
        for dtype in (torch.float32, torch.bfloat16)
    }
    seconds = dict.fromkeys(pairs, float("inf"))
    for _ in range(12):
        for dtype, (left, right) in pairs.items():
            start = time.perf_counter()
            left @ right
            seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return torch.bfloat16 if seconds[torch.bfloat16] < seconds[torch.float32] else torch.float32


class TunedModel:
    """A frozen base and its trainable adapter (kept in fp32)."""

    def __init__(self, folder: Path, *, rank: int, alpha: int, dropout: float, seed: int, dtype: torch.dtype) -> None:
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        self.peft = get_peft_model(base, config)
        self._decoder = Decoder(base, _ADAPTER, dropout)
        for parameter in self.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def parameters(self) -> list[nn.Parameter]:
        """The adapter's weights, in a fixed order."""
        return [parameter for parameter in self.peft.parameters() if parameter.requires_grad]

    def state(self) -> dict[str, torch.Tensor]:
        """The adapter's weights by name."""
        return {name: p.detach() for name, p in self.peft.named_parameters() if p.requires_grad}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Put an adapter's weights in."""
        with torch.no_grad():
            for name, parameter in self.peft.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(state[name])

    def begin(self, seed: int, step: int) -> None:
        """Begin a step: no gradients, the optimiser's newest weights, dropout of the step's own."""
        for parameter in self.parameters():
            parameter.grad.zero_()
        self._decoder.refresh()
        self._decoder.dropout.seed(seed, step)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def learn(self, pack: Pack, scale: float) -> float:
        """The summed loss of a pack's learned tokens; ``scale`` times its gradient is added to the adapter's."""
        states, memories = self._decoder.states(pack.ids, pack.positions, pack.groups, learning=True)
        loss, gradient = self._decoder.loss(states[pack.at], pack.labels, scale)
        upstream = torch.zeros_like(states)
        upstream[pack.at] = gradient
        self._decoder.backward(upstream, pack.positions, pack.groups, memories)
        return loss

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def loss(self, pack: Pack) -> float:
        """The summed loss of a pack's learned tokens, without dropout."""
        self._decoder.refresh()
        states, _ = self._decoder.states(pack.ids, pack.positions, pack.groups, learning=False)
        return self._decoder.loss(states[pack.at], pack.labels, None)[0]

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT does."""
        self.peft.save_pretrained(folder)
