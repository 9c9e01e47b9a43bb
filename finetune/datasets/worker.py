"""The process that judges: ``python -m finetune.datasets.worker``, see :mod:`finetune.workers`."""

from pathlib import Path
from typing import Any

from finetune.datasets.judging import judge
from finetune.workers import serve


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Judge one file."""
    tokenizer = request["tokenizer"]
    report = judge(
        Path(request["source"]),
        Path(request["canonical"]),
        tokenizer=Path(tokenizer) if tokenizer else None,
        name=request["name"],
        reading=request["reading"],
    )
    return {"report": report.as_json()}


def main() -> None:
    """Be the process."""
    serve(work)


if __name__ == "__main__":
    main()
