"""Measuring a canonical file in a bounded process of its own, as judging is done."""

from pathlib import Path

from finetune.datasets.measures import Measures
from finetune.datasets.vocabularies import Tokenizer, as_text
from finetune.progress import Moved
from finetune.workers import MEMORY_BYTES, ask

SECONDS = 120.0


async def measured(
    canonical: Path,
    *,
    tokenizer: Tokenizer | None = None,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    markers: int = 0,
    moved: Moved | None = None,
) -> Measures:
    """Measure a canonical file of at least one row; arguments are those of :func:`measures.measure`.

    ``seconds`` bounds both the wall clock and the processor time, ``memory_bytes`` the address space; ``moved`` is told
    how far it is. Raises
    :class:`DatasetError` ``dataset_too_slow`` or ``dataset_too_heavy`` past them, ``RuntimeError`` for a file that is
    not canonical. A caller that is cancelled leaves no process behind.
    """
    request = {
        "canonical": str(canonical.absolute()),
        "tokenizer": as_text(tokenizer),
        "markers": markers,
    }
    # Rows are counted one by one, where more threads only wait for each other.
    environment = {"TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"}
    answer = await ask(
        "finetune.datasets.measurer",
        request,
        seconds=seconds,
        memory_bytes=memory_bytes,
        environment=environment,
        moved=moved,
    )
    return Measures.from_json(answer["measures"])
