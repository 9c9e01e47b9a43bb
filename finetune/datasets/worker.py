"""The process that judges: ``python -m finetune.datasets.worker``, see :mod:`finetune.workers`."""

import os
import sys
from pathlib import Path
from typing import Any

from finetune.datasets.judging import judge
from finetune.progress import teller
from finetune.workers import serve


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Judge one file."""
    report = judge(
        Path(request["source"]),
        Path(request["canonical"]),
        name=request["name"],
        reading=request["reading"],
        processes=_free_processors(),
        moved=teller(request.get("moved")),
    )
    return {"report": report.as_json()}


def _free_processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def main() -> None:
    """Be the process."""
    serve(work)


if __name__ == "__main__":
    main()
