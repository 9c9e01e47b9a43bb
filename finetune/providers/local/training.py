"""The training loop: batches, steps, checkpoints. Knows no files but its checkpoints."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from finetune.providers.local import checkpoint
from finetune.providers.local.examples import Example, batches
from finetune.providers.local.model import TunedModel
from finetune.providers.local.packing import packs

WARM_UP = 0.06
GRADIENT_NORM = 1.0
EVALUATION_ROWS = 8


class Diverged(ArithmeticError):
    """The loss is not a number any more."""


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is saved."""


@dataclass(slots=True)
class Progress:
    """Where a run is: ``losses`` holds (step, loss); ``trained_tokens`` and ``seconds`` count all attempts."""

    step: int = 0
    steps: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    trained_tokens: int = 0
    seconds: float = 0.0
    # Since this process began: what its speed is measured on.
    fresh_tokens: int = 0
    fresh_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """What to do. ``budget``: tokens of one forward pass; ``checkpoint_seconds``: between two checkpoints."""

    folder: Path
    attempt: int
    seed: int
    learning_rate: float
    epochs: int
    batch_size: int
    budget: int = 1024
    checkpoint_seconds: float = 30.0


def rate(step: int, steps: int, peak: float) -> float:
    """The learning rate of a step (from 1): a short linear rise, then a linear fall to almost nothing."""
    rise = max(1, math.ceil(steps * WARM_UP))
    return peak * min(step / rise, (steps - step + 1) / max(steps - rise + 1, 1))


def evaluate(model: TunedModel, examples: Sequence[Example], budget: int) -> float:
    """Mean loss of the learned tokens."""
    total, count = 0.0, 0
    for start in range(0, len(examples), EVALUATION_ROWS):
        for pack in packs(examples[start : start + EVALUATION_ROWS], budget):
            total += model.loss(pack)
            count += len(pack.labels)
    return total / max(count, 1)


def train(
    model: TunedModel,
    examples: Sequence[Example],
    run: Run,
    *,
    progress: Progress,
    extra: dict[str, Any],
    stopping: Callable[[], bool],
    told: Callable[[], None],
) -> None:
    """Train to the end, going on from the newest checkpoint.

    ``extra`` travels with checkpoints. ``stopping`` is asked after every pack, ``told`` is called after every step.
    Raises :class:`Stopped` (a checkpoint is saved) and :class:`Diverged`.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=run.learning_rate, weight_decay=0.0, fused=True)
    per_epoch = math.ceil(len(examples) / run.batch_size)
    progress.steps = per_epoch * run.epochs
    saved = checkpoint.newest(run.folder)
    if saved is not None:
        model.load(saved["adapter"])
        optimiser.load_state_dict(saved["optimiser"])
        progress.step, progress.losses = saved["step"], [(int(s), float(v)) for s, v in saved["losses"]]
        progress.trained_tokens, progress.seconds = saved["trained_tokens"], saved["seconds"]

    def save() -> None:
        content = {
            "adapter": model.state(),
            "optimiser": optimiser.state_dict(),
            "step": progress.step,
            "losses": progress.losses,
            "trained_tokens": progress.trained_tokens,
            "seconds": progress.seconds,
            **extra,
        }
        checkpoint.save(run.folder, run.attempt, progress.step, content)

    last_saved = time.monotonic()
    told()
    while progress.step < progress.steps:
        epoch, position = divmod(progress.step, per_epoch)
        batch = batches(examples, run.batch_size, run.seed, epoch)[position]
        start = time.monotonic()
        loss = _step(model, optimiser, batch, run, progress, stopping)
        if loss is None:
            save()
            raise Stopped
        elapsed, tokens = time.monotonic() - start, sum(len(example.ids) for example in batch)
        progress.step += 1
        progress.losses.append((progress.step, round(loss, 4)))
        progress.trained_tokens += tokens
        progress.fresh_tokens += tokens
        progress.seconds += elapsed
        progress.fresh_seconds += elapsed
        told()
        if stopping() and progress.step < progress.steps:
            save()
            raise Stopped
        if time.monotonic() - last_saved >= run.checkpoint_seconds:
            save()
            last_saved = time.monotonic()


def _step(
    model: TunedModel,
    optimiser: torch.optim.Optimizer,
    batch: Sequence[Example],
    run: Run,
    progress: Progress,
    stopping: Callable[[], bool],
) -> float | None:
    """One optimiser step; the mean loss, or ``None`` if it was broken off (nothing has changed then)."""
    number = progress.step + 1
    model.begin(run.seed, number)
    learned = sum(sum(example.targets[1:]) for example in batch)
    total = 0.0
    for pack in packs(batch, run.budget):
        total += model.learn(pack, 1 / learned) / learned
        if not math.isfinite(total):
            raise Diverged(f"step {number}")
        if stopping():
            return None
    for group in optimiser.param_groups:
        group["lr"] = rate(number, progress.steps, run.learning_rate)
    torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
    optimiser.step()
    return total
