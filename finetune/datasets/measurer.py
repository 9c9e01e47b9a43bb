"""The process that measures: ``python -m finetune.datasets.measurer`` with a request on its standard input.

It bounds itself before it imports what is heavy. Its answer is one JSON object on the standard output:
``{"measures": …}`` or ``{"error": code, "fields": …}``.
"""

import gc
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure one file."""
    request = json.load(sys.stdin)
    _bound(request["memory_bytes"], request["seconds"])
    # Rows hold no cycles, and the collector would walk all of them again and again.
    gc.disable()
    json.dump(_answer(request), sys.stdout, ensure_ascii=True)


def _bound(memory_bytes: int, seconds: int) -> None:
    # Nobody waits for it: judging and talking go first.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # macOS knows no limit of address space; there the time limit has to do.
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from finetune.datasets.measures import measure

    tokenizer = request["tokenizer"]
    try:
        found = measure(Path(request["canonical"]), Path(tokenizer) if tokenizer else None, markers=request["markers"])
    except MemoryError:
        return {"error": "dataset_too_heavy", "fields": {"limit": request["memory_bytes"] >> 20}}
    return {"measures": found.as_json()}


if __name__ == "__main__":
    main()
