"""What a run will take: steps, tokens, time, disk."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from finetune.errors import ProviderError
from finetune.parameters import optimiser_steps
from finetune.providers.local import bases, examples
from finetune.providers.local.folder import JobFolder
from finetune.providers.local.tokens import token_counter
from finetune.providers.provider import FineTune, Plan

# Adapter, checkpoints (weights and two moments of the optimiser, two of them kept) and a margin.
JOB_BYTES = 300_000_000
CONVERTED_BYTES = 700_000_000
RUNS_REMEMBERED = 20


def plan(job: FineTune, data_dir: Path) -> Plan:
    """Steps and tokens exactly, seconds as a range. Raises :class:`ProviderError`."""
    values = job.hyperparameters
    source = bases.locate(job.base)
    counter = token_counter(data_dir, job.base)
    rows = examples.encode(job.training_file, counter.chat, values.max_tokens)
    low, high = source.data["tokens_per_second"]
    before, after = source.data["overhead_seconds"]
    measured = speeds(source.slug, data_dir)
    if measured:
        low, high = min(measured) * 0.7, max(measured) * 1.2
    total = rows.tokens * values.epochs
    return Plan(
        steps=optimiser_steps(len(rows.examples), values),
        tokens=rows.tokens,
        tokens_exact=True,
        seconds=(total / high + before, total / low + after),
        price=None,
        free=True,
        cut_rows=rows.cut,
    )


def speeds(slug: str, data_dir: Path) -> Sequence[float]:
    """Trained tokens a second of the last runs on this base here."""
    found = []
    for path in (data_dir / "jobs").glob("*/result.json"):
        folder = JobFolder(path.parent)
        result = folder.result()
        if result and result["outcome"] == "succeeded" and folder.manifest()["slug"] == slug:
            found.append((result["time"], result["tokens_per_second"]))
    return [speed for _, speed in sorted(found)[-RUNS_REMEMBERED:]]


def check_disk(source: bases.Source, data_dir: Path) -> None:
    """Raise ``disk_full`` when a run (and the base's conversion, if still to be done) may not fit."""
    data_dir.mkdir(parents=True, exist_ok=True)
    needed = JOB_BYTES + (0 if bases.prepared(source, data_dir) else CONVERTED_BYTES)
    free = shutil.disk_usage(data_dir).free
    if free < needed:
        raise ProviderError("disk_full", needed=needed, free=free)
