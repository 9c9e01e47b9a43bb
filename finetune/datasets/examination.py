"""Judging a file in a process of its own, so that the worst file costs its sender an error and nobody else anything."""

import math
import os
from pathlib import Path

from finetune.datasets.report import Report
from finetune.errors import DatasetError
from finetune.workers import TooHeavy, TooSlow, ask, publish


async def examine(
    source: Path,
    canonical: Path,
    *,
    tokenizer: Path | None = None,
    seconds: float = 60,
    memory_bytes: int = 1 << 30,
    max_bytes: int = 512 << 20,
    name: str | None = None,
) -> Report:
    """Judge ``source``; if it is good, leave its canonical form in ``canonical``, else nothing.

    The canonical form is JSON Lines of ``{"messages": [{"role", "content"}, …]}``, UTF-8, synced. ``name`` is the
    file's name as people know it (default: that of ``source``). ``seconds`` bounds both the wall clock and the
    processor time, ``memory_bytes`` the address space. Raises :class:`DatasetError` for what is no dataset at all.
    """
    size = source.stat().st_size
    if size > max_bytes:
        raise DatasetError("dataset_too_large", size=math.ceil(size / 1e6), limit=max_bytes // 1_000_000)
    # The worker imports this package too, and must not pay for an event loop.
    import asyncio

    temporary = canonical.with_name(f"{canonical.name}.{os.getpid()}.part")
    request = {
        "source": str(source.absolute()),
        "canonical": str(temporary.absolute()),
        "tokenizer": str(tokenizer.absolute()) if tokenizer else None,
        "name": name or source.name,
    }
    try:
        found = await ask("finetune.datasets.worker", request, seconds=seconds, memory_bytes=memory_bytes)
        report = Report.from_json(found)
        if report.ok:
            await asyncio.to_thread(publish, temporary, canonical)
        return report
    except TooSlow as error:
        raise DatasetError("dataset_too_slow", seconds=math.ceil(seconds)) from error
    except TooHeavy as error:
        raise DatasetError("dataset_too_heavy", limit=memory_bytes >> 20) from error
    finally:
        temporary.unlink(missing_ok=True)
