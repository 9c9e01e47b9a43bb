"""Work on files that nobody vouches for, in a process of its own with bounded memory and time.

:func:`ask` is the side that waits, :func:`serve` the side that works. Between them goes one JSON object each way: the
request with ``seconds`` and ``memory_bytes``, and ``{"report": …}`` or ``{"error": code, "fields": …}`` back.
"""

import gc
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError

_PACKAGES = Path(__file__).resolve().parents[1]
# What the allocator of a process that ran out of memory does, beside Python's own MemoryError.
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL, -signal.SIGBUS)


class TooSlow(Exception):
    """The worker was stopped: it had had its seconds."""


class TooHeavy(Exception):
    """The worker wanted more memory than it may have."""


async def ask(module: str, request: Mapping[str, Any], *, seconds: float, memory_bytes: int) -> dict[str, Any]:
    """The report that ``python -m module`` gives for a request.

    ``seconds`` bounds both the wall clock and the processor time, ``memory_bytes`` the address space. No process is
    left, whatever happens. Raises :class:`TooSlow`, :class:`TooHeavy`, or the :class:`DatasetError` of the worker.
    """
    # The worker imports this module too, and must not pay for an event loop.
    import asyncio

    bounded = {**request, "seconds": math.ceil(seconds), "memory_bytes": memory_bytes}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, errors = await process.communicate(json.dumps(bounded).encode())
    except TimeoutError:
        raise TooSlow from None
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode == -signal.SIGXCPU:
        raise TooSlow
    if process.returncode in _OUT_OF_MEMORY or (process.returncode and b"MemoryError" in errors):
        raise TooHeavy
    if process.returncode:
        raise RuntimeError(f"the worker {module} ended with {process.returncode}; {_frames(errors)}")
    parsed: dict[str, Any] = json.loads(answer)
    if "error" in parsed:
        raise DatasetError(parsed["error"], **parsed["fields"])
    report: dict[str, Any] = parsed["report"]
    return report


def serve(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the request on the standard input with what ``work`` makes of it, bounded before a file is touched."""
    request = json.load(sys.stdin)
    _bound(request["memory_bytes"], request["seconds"])
    # What is judged holds no cycles, and the collector would walk all of it again and again.
    gc.disable()
    answer: dict[str, Any]
    try:
        answer = {"report": work(request)}
    except DatasetError as error:
        answer = {"error": error.code, "fields": dict(error.fields)}
    json.dump(answer, sys.stdout, ensure_ascii=True)


def publish(temporary: Path, final: Path) -> None:
    """Give a file that was written and synced its name, for good."""
    temporary.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _bound(memory_bytes: int, seconds: int) -> None:
    # Whoever talks to a model meanwhile goes first.
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # macOS knows no limit of address space; there the time limit has to do.
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


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
