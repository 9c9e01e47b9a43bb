"""The process that judges: ``python -m finetune.datasets.worker`` with a request on its standard input.

It bounds itself before it reads a byte of the file. Its answer is one JSON object on the standard output:
``{"report": …}`` or ``{"error": code, "fields": …}``.
"""

import gc
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from finetune.datasets.judging import judge
from finetune.errors import DatasetError


def main() -> None:
    """Judge one file."""
    request = json.load(sys.stdin)
    _bound(request["memory_bytes"], request["seconds"])
    # Rows hold no cycles, and the collector would walk all of them again and again.
    gc.disable()
    json.dump(_answer(request), sys.stdout, ensure_ascii=True)


def _bound(memory_bytes: int, seconds: int) -> None:
    # Whoever talks to a model meanwhile goes first.
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # macOS knows no limit of address space; there the time limit has to do.
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    tokenizer = request["tokenizer"]
    try:
        report = judge(
            Path(request["source"]),
            Path(request["canonical"]),
            tokenizer=Path(tokenizer) if tokenizer else None,
            name=request["name"],
        )
    except DatasetError as error:
        return {"error": error.code, "fields": dict(error.fields)}
    except MemoryError:
        return {"error": "dataset_too_heavy", "fields": {"limit": request["memory_bytes"] >> 20}}
    return {"report": report.as_json()}


if __name__ == "__main__":
    main()
