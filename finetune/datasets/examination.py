"""Judging a file in a process of its own, so that the worst file costs its sender an error and nobody else anything."""

import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

from finetune.datasets.report import Report
from finetune.errors import DatasetError

_PACKAGES = Path(__file__).resolve().parents[2]
# What the allocator of a process that ran out of memory does, beside Python's own MemoryError.
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL, -signal.SIGBUS)


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
        "seconds": math.ceil(seconds),
        "memory_bytes": memory_bytes,
    }
    try:
        answer = await _ask(request, seconds)
        if "error" in answer:
            raise DatasetError(answer["error"], **answer["fields"])
        report = Report.from_json(answer["report"])
        if report.ok:
            await asyncio.to_thread(_publish, temporary, canonical)
        return report
    finally:
        temporary.unlink(missing_ok=True)


async def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "finetune.datasets.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
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
        raise RuntimeError(f"the dataset worker ended with {process.returncode}; {_frames(errors)}")
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


def _environment() -> dict[str, str]:
    """No secrets, and few threads: each reserves address space, which is bounded."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR", "SYSTEMROOT") if key in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(_PACKAGES),
        "MALLOC_ARENA_MAX": "2",
        # Parquet's library would reserve more address space at once than the worker may have.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": str(min(4, os.cpu_count() or 1)),
        "TOKENIZERS_PARALLELISM": "true",
    }


def _frames(errors: bytes) -> str:
    """Where a traceback passed, without its last line, which may quote the file."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.startswith("  File ")]
    return " <- ".join(reversed(lines[-4:]))


def _publish(temporary: Path, canonical: Path) -> None:
    temporary.replace(canonical)
    folder = os.open(canonical.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
