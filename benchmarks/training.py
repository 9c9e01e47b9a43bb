"""Training here against plain TRL: the same rows, values and machine, one after the other.

``python -m benchmarks.training --trl-python /path/to/venv/bin/python [--rows 50] [--repeat 1]``

The other environment needs ``torch``, ``trl``, ``peft``, ``transformers`` and ``datasets``. TRL is told what it must be
told on a processor (no fp16, no gradient checkpointing) and gets the same converted base, the same masks by its own
``assistant_only_loss`` template marks, batch, rate, schedule, rank, alpha and dropout. Tokens a second are tokens of
the rows, divided by the seconds in the training loop; nothing is counted twice and no padding is counted.
"""

import argparse
import asyncio
import json
import math
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

from finetune.parameters import Hyperparameters
from finetune.providers.local import LocalProvider, bases
from finetune.providers.local.examples import encode
from finetune.providers.local.tokens import token_counter
from finetune.providers.provider import FineTune

VALUES = Hyperparameters(learning_rate=2e-3, epochs=3, batch_size=4, max_tokens=1024, rank=8, alpha=32, dropout=0.05)
SAMPLE = Path(__file__).parent.parent / "examples" / "fortune_telling.jsonl"
TRL = Path(__file__).parent / "trl_baseline.py"


async def ours(folder: Path, training: Path, held: Path, seed: int) -> dict[str, float]:
    """Submit, wait for the result, read its figures."""
    provider = LocalProvider(folder)
    base = provider.bases[0]
    await provider.prepare(base.id)
    job = FineTune(f"benchmark-{seed}", "benchmark", base.id, training, held, VALUES, seed)
    start = time.monotonic()
    await provider.submit(job, 1)
    while True:
        status = await provider.status(job.key)
        if status.state.ended or status.lost:
            break
        await asyncio.sleep(0.1)
    seconds = time.monotonic() - start
    result = json.loads((folder / "jobs" / job.key / "result.json").read_text("utf-8"))
    return {
        "total": seconds,
        "loop": result["training_seconds"],
        "speed": result["tokens_per_second"],
        "memory": result["peak_rss"] / 1e9,
        "before": result["validation_loss"][0],
        "after": result["validation_loss"][1],
    }


def theirs(python: str, folder: Path, training: Path, held: Path, tokens: int, seed: int) -> dict[str, float]:
    """Run TRL in its own environment and read what it prints."""
    ready = bases.prepared(bases.locate(bases.listed()[0].id), folder)
    assert ready is not None
    settings = {
        "base": str(ready.folder),
        "training": str(training),
        "held": str(held),
        "seed": seed,
        **VALUES.as_dict(),
        "warm_up": math.ceil(50 / 4) * 3 * 0.06,
    }
    start = time.monotonic()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [python, str(TRL), json.dumps(settings)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    figures["total"] = time.monotonic() - start
    figures["speed"] = tokens * VALUES.epochs / figures["loop"]
    return figures


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trl-python")
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = SAMPLE.read_text("utf-8").splitlines()
        random.Random(1).shuffle(rows)  # noqa: S311 - an order, not a secret
        training, held = folder / "training.jsonl", folder / "held.jsonl"
        held.write_text("\n".join(rows[:10]) + "\n", "utf-8")
        training.write_text("\n".join(rows[10 : 10 + options.rows]) + "\n", "utf-8")
        tokens = encode(training, token_counter(folder).chat, VALUES.max_tokens).tokens
        print(f"{options.rows} rows, {tokens} tokens, {VALUES.epochs} epochs, batch {VALUES.batch_size}")
        heads = ("submit to result", "in the loop", "tokens/s", "peak GB", "held-out loss")
        print(f"{'':10} {heads[0]:>17} {heads[1]:>12} {heads[2]:>9} {heads[3]:>8} {heads[4]:>16}")
        for seed in range(1, options.repeat + 1):
            _print("tuneteller", asyncio.run(ours(folder, training, held, seed)))
            if options.trl_python:
                _print("TRL", theirs(options.trl_python, folder, training, held, tokens, seed))


def _print(name: str, row: dict[str, float]) -> None:
    held = f"{row['before']:.2f} → {row['after']:.2f}"
    print(
        f"{name:10} {row['total']:15.1f} s {row['loop']:10.1f} s {row['speed']:9.0f} {row['memory']:8.2f} {held:>16}",
        flush=True,
    )


if __name__ == "__main__":
    main()
