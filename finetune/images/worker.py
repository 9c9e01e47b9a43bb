"""The process that judges pictures: ``python -m finetune.images.worker`` with a request on its standard input.

The only one in which the picture library is loaded. See :mod:`finetune.workers` for what goes in and out.
"""

from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from finetune.images.judging import judge
from finetune.workers import serve


def main() -> None:
    """Judge one set."""
    serve(_report)


def _report(request: dict[str, Any]) -> dict[str, Any]:
    try:
        report = judge(
            Path(request["source"]),
            Path(request["canonical"]),
            names=request["names"],
            sheets=Path(request["sheets"]) if request["sheets"] else None,
        )
    except MemoryError as error:
        raise DatasetError("images_too_heavy", limit=request["memory_bytes"] >> 20) from error
    return report.as_json()


if __name__ == "__main__":
    main()
