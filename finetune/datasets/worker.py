"""The process that judges: ``python -m finetune.datasets.worker`` with a request on its standard input.

It bounds itself before it reads a byte of the file. Its answer is one JSON object on the standard output:
``{"report": …}`` or ``{"error": code, "fields": …}``.
"""

from pathlib import Path
from typing import Any

from finetune.datasets.judging import judge
from finetune.errors import DatasetError
from finetune.workers import serve


def main() -> None:
    """Judge one file."""
    serve(_report)


def _report(request: dict[str, Any]) -> dict[str, Any]:
    tokenizer = request["tokenizer"]
    try:
        report = judge(
            Path(request["source"]),
            Path(request["canonical"]),
            tokenizer=Path(tokenizer) if tokenizer else None,
            name=request["name"],
        )
    except MemoryError as error:
        raise DatasetError("dataset_too_heavy", limit=request["memory_bytes"] >> 20) from error
    return report.as_json()


if __name__ == "__main__":
    main()
