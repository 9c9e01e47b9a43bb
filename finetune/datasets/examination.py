"""Judging a file in a process of its own, so that the worst file costs its sender an error and nobody else anything."""

import math
import os
from pathlib import Path

from finetune.datasets.report import Report
from finetune.errors import DatasetError
from finetune.progress import Moved
from finetune.workers import MEMORY_BYTES, ask, publish

SECONDS = 60.0
MAX_BYTES = 512 << 20


async def examine(
    source: Path,
    canonical: Path,
    *,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    max_bytes: int = MAX_BYTES,
    name: str | None = None,
    reading: str | None = None,
    moved: Moved | None = None,
) -> Report:
    """Judge ``source``; if it is good, leave its canonical form in ``canonical``, else nothing.

    The canonical form is JSON Lines of ``{"messages": [{"role", "content"}, …]}``, UTF-8, synced, in one spelling
    throughout (see :class:`finetune.datasets.style.Style`): a row that has it already keeps its bytes. ``name`` is the
    file's name as people know it (default: that of ``source``). ``reading`` names the format to read it as, where
    several fit. ``seconds`` bounds both the wall clock and the processor time, ``memory_bytes`` the address space;
    ``moved`` is told how far it is. Raises :class:`DatasetError` for what is no dataset at all, and
    ``dataset_ambiguous`` (field ``readings``: format names with two sample conversations each) where somebody has to
    choose.
    """
    check_size(source, max_bytes)
    import asyncio

    temporary = canonical.with_name(f"{canonical.name}.{os.getpid()}.part")
    request = {
        "source": str(source.absolute()),
        "canonical": str(temporary.absolute()),
        "name": name or source.name,
        "reading": reading,
    }
    try:
        answer = await ask("finetune.datasets.worker", request, seconds=seconds, memory_bytes=memory_bytes, moved=moved)
        report = Report.from_json(answer["report"])
        if report.ok:
            await asyncio.to_thread(publish, temporary, canonical)
        return report
    finally:
        temporary.unlink(missing_ok=True)


def check_size(source: Path, max_bytes: int) -> None:
    """Raise ``dataset_too_large`` for a file of more than ``max_bytes``."""
    size = source.stat().st_size
    if size > max_bytes:
        raise DatasetError("dataset_too_large", size=math.ceil(size / 1e6), limit=max_bytes // 1_000_000)
