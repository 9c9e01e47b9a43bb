"""Work on people's files in a process of its own, bounded in memory and time.

The worst file then costs its sender an error and nobody else anything. A worker is a module that calls :func:`serve`;
:func:`ask` starts it, gives it one request as JSON on standard input and returns the JSON that it prints.
"""

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from finetune.progress import Moved, listening

MEMORY_BYTES = 1 << 30
_HEAVY = "dataset_too_heavy"
_PACKAGES = Path(__file__).resolve().parents[1]
# What the allocator of a process that ran out of memory does, beside Python's own MemoryError.
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL, -signal.SIGBUS)


class TooSlow(DatasetError):
    """The worker had had its seconds."""


class TooHeavy(DatasetError):
    """The worker wanted more memory than it may have."""


async def ask(
    module: str,
    request: Mapping[str, Any],
    *,
    seconds: float,
    memory_bytes: int = MEMORY_BYTES,
    environment: Mapping[str, str] | None = None,
    moved: Moved | None = None,
) -> dict[str, Any]:
    """The answer of the worker ``module``, whose environment is none of ours but for ``environment``.

    ``seconds`` bounds both the wall clock and the processor time, ``memory_bytes`` the address space; ``moved`` is told
    how far the worker is, if it says so (``request["moved"]``, see :mod:`finetune.progress`). Raises :class:`TooSlow`,
    :class:`TooHeavy`, the worker's own :class:`DatasetError`; ``RuntimeError`` when it died of anything else. No
    process is left, whatever happens.
    """
    # The workers import this module too, and must not pay for an event loop.
    import asyncio

    with listening(moved) as descriptor:
        whole = {**request, "seconds": math.ceil(seconds), "memory_bytes": memory_bytes, "moved": descriptor}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_environment(), **(environment or {})},
            start_new_session=True,
            pass_fds=() if descriptor is None else (descriptor,),
        )
        ended = False
        try:
            async with asyncio.timeout(seconds):
                answer, errors = await process.communicate(json.dumps(whole).encode())
            ended = True
        except TimeoutError:
            raise TooSlow("dataset_too_slow", seconds=math.ceil(seconds)) from None
        finally:
            if not ended:
                # It may have died just now.
                with suppress(ProcessLookupError):
                    process.kill()
                # To the end of its pipes: they close after it, and a loop that ends before them says so.
                await asyncio.shield(process.communicate())
    if process.returncode == -signal.SIGXCPU:
        raise TooSlow("dataset_too_slow", seconds=math.ceil(seconds))
    if process.returncode in _OUT_OF_MEMORY or (process.returncode and b"MemoryError" in errors):
        raise TooHeavy(_HEAVY, limit=memory_bytes >> 20)
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}; {_frames(errors)}")
    parsed: dict[str, Any] = json.loads(answer)
    if parsed.get("error") == _HEAVY:
        raise TooHeavy(_HEAVY, **parsed["fields"])
    if "error" in parsed:
        raise DatasetError(parsed["error"], **parsed["fields"])
    return parsed


def serve(work: Callable[[dict[str, Any]], dict[str, Any]], *, niceness: int = 5) -> None:
    """Be the worker: bound this process before a byte of a file is read, answer one request.

    Whoever talks to a model meanwhile goes first: by ``niceness``.
    """
    import gc

    request = json.load(sys.stdin)
    _bound(request["memory_bytes"], request["seconds"], niceness)
    # Rows hold no cycles, and the collector would walk all of them again and again.
    gc.disable()
    try:
        answer = work(request)
    except DatasetError as error:
        answer = {"error": error.code, "fields": dict(error.fields)}
    except MemoryError:
        answer = {"error": _HEAVY, "fields": {"limit": request["memory_bytes"] >> 20}}
    json.dump(answer, sys.stdout, ensure_ascii=True)


def publish(temporary: Path, target: Path) -> None:
    """Give a finished file its name, for good. Blocks."""
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _bound(memory_bytes: int, seconds: int, niceness: int) -> None:
    import resource

    os.nice(niceness)
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
