"""The process that mends: ``python -m finetune.datasets.mending.worker``, see :mod:`finetune.workers`."""

from pathlib import Path
from typing import Any

from finetune.datasets.mending.engine import mend
from finetune.datasets.mending.kinds import Wish
from finetune.progress import teller
from finetune.workers import serve


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Mend one file."""
    tokenizer = request["tokenizer"]
    changes = mend(
        Path(request["source"]),
        Path(request["target"]),
        Wish.from_json(request["wish"]),
        name=request["name"],
        reading=request["reading"],
        tokenizer=Path(tokenizer) if tokenizer else None,
        moved=teller(request.get("moved")),
    )
    return {"changes": changes.as_json()}


if __name__ == "__main__":
    serve(work)
