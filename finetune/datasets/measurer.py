"""The process that measures: ``python -m finetune.datasets.measurer``, see :mod:`finetune.workers`."""

from pathlib import Path
from typing import Any

from finetune.datasets.vocabularies import from_text
from finetune.progress import teller
from finetune.workers import serve


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Measure one file."""
    # Heavy to import, so only once the process is bounded.
    from finetune.datasets.measures import measure

    found = measure(
        Path(request["canonical"]),
        from_text(request["tokenizer"]),
        markers=request["markers"],
        moved=teller(request.get("moved")),
    )
    return {"measures": found.as_json()}


if __name__ == "__main__":
    # Nobody waits for it: judging goes first.
    serve(work, niceness=10)
