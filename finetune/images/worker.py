"""The process that judges pictures: ``python -m finetune.images.worker``, see :mod:`finetune.workers`.

The only one in which the picture library is loaded.
"""

from pathlib import Path
from typing import Any

from finetune.images.judging import judge
from finetune.workers import serve


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Judge one set."""
    report = judge(
        Path(request["source"]),
        Path(request["canonical"]),
        names=request["names"],
        sheets=Path(request["sheets"]) if request["sheets"] else None,
    )
    return {"report": report.as_json()}


if __name__ == "__main__":
    serve(work)
