"""Measuring a canonical file in a bounded process of its own, as judging is done."""

import asyncio
import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

from finetune.datasets.examination import _OUT_OF_MEMORY, _environment, _frames
from finetune.datasets.measures import Measures
from finetune.errors import DatasetError


async def measured(
    canonical: Path,
    *,
    tokenizer: Path | None = None,
    seconds: float = 120,
    memory_bytes: int = 1 << 30,
    markers: int = 0,
) -> Measures:
    """Measure a canonical file of at least one row; arguments are those of :func:`measures.measure`.

    ``seconds`` bounds both the wall clock and the processor time, ``memory_bytes`` the address space. Raises
    :class:`DatasetError` ``dataset_too_slow`` or ``dataset_too_heavy`` past them, ``RuntimeError`` for a file that is
    not canonical. A caller that is cancelled leaves no process behind.
    """
    request = {
        "canonical": str(canonical.absolute()),
        "tokenizer": str(tokenizer.absolute()) if tokenizer else None,
        "markers": markers,
        "seconds": math.ceil(seconds),
        "memory_bytes": memory_bytes,
    }
    answer = await _ask(request, seconds)
    if "error" in answer:
        raise DatasetError(answer["error"], **answer["fields"])
    return Measures.from_json(answer["measures"])


async def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "finetune.datasets.measurer",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Rows are counted one by one, where more threads only wait for each other.
        env={**_environment(), "TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, errors = await process.communicate(json.dumps(request).encode())
    except TimeoutError:
        raise DatasetError("dataset_too_slow", seconds=math.ceil(seconds)) from None
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode == -signal.SIGXCPU:
        raise DatasetError("dataset_too_slow", seconds=math.ceil(seconds))
    if process.returncode in _OUT_OF_MEMORY or (process.returncode and b"MemoryError" in errors):
        raise DatasetError("dataset_too_heavy", limit=request["memory_bytes"] >> 20)
    if process.returncode:
        raise RuntimeError(f"the measuring process ended with {process.returncode}; {_frames(errors)}")
    parsed: dict[str, Any] = json.loads(answer)
    return parsed
