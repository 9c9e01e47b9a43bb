"""Mending in a process of its own."""

import os
from pathlib import Path

from finetune.datasets.examination import MAX_BYTES, SECONDS, check_size
from finetune.datasets.mending.changes import Changes
from finetune.datasets.mending.kinds import Wish
from finetune.progress import Moved
from finetune.workers import MEMORY_BYTES, ask, publish


async def mended(
    source: Path,
    target: Path,
    wish: Wish,
    *,
    name: str,
    reading: str | None = None,
    tokenizer: Path | None = None,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    moved: Moved | None = None,
) -> Changes:
    """Write the mended file to ``target`` (JSON Lines of messages, synced) and tell what was done.

    ``name``, ``reading`` and ``moved`` as in :func:`finetune.datasets.examine`; errors and bounds are the same too.
    ``tokenizer`` is a Hugging Face ``tokenizer.json``; without one a token is taken for a character where rows are
    split: too short rather than too long.
    """
    import asyncio

    check_size(source, MAX_BYTES)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    request = {
        "source": str(source.absolute()),
        "target": str(temporary.absolute()),
        "wish": wish.as_json(),
        "name": name,
        "reading": reading,
        "tokenizer": str(tokenizer.absolute()) if tokenizer else None,
    }
    try:
        answer = await ask(
            "finetune.datasets.mending.worker", request, seconds=seconds, memory_bytes=memory_bytes, moved=moved
        )
        await asyncio.to_thread(publish, temporary, target)
        return Changes.from_json(answer["changes"])
    finally:
        temporary.unlink(missing_ok=True)
