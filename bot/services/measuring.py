"""What the evaluation's worker is asked for: a verdict, its picture, a curve, a win rate."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bot.services.library import Library
from finetune import workers
from finetune.errors import FineTuneError
from finetune.evaluation import worker
from finetune.evaluation.questions import conversations
from finetune.evaluation.statistics import WinRate
from finetune.evaluation.verdict import Verdict
from finetune.providers.provider import FineTune, Provider, Template, base_of
from storage.clock import now
from storage.files import FileStore
from storage.tables import Job, TunedModel

_COUNTED = 200  # rows
_WHOLE = 1 << 20  # tokens: nothing is cut


class Measuring:
    """Hands work to the worker process. ``words``: what pictures say, by language."""

    def __init__(
        self, library: Library, files: FileStore, words: Callable[[str], Mapping[str, str]], judge_model: str = ""
    ) -> None:
        self._library = library
        self._files = files
        self._words = words
        self._judge_model = judge_model

    async def verdict(
        self,
        work: FineTune,
        model: TunedModel,
        job: Job,
        provider: Provider,
        judgements: Mapping[str, Any],
        progress: Mapping[str, Any],
        *,
        answers: Path,
        most: int,
    ) -> Verdict:
        """Measure a model's answers. Raises what :func:`finetune.workers.ask` raises."""
        held = await self._library.version(job.dataset_version_id)
        base = base_of(provider, model.base)
        parts = await asyncio.to_thread(self._library.split, held.version, job.validation_share, job.seed)
        pair = None
        if model.validation_before is not None and model.validation_after is not None:
            pair = (model.validation_before, model.validation_after)
        answer = await self._work(
            work="verdict",
            training=str(work.training_file),
            validation=str(work.validation_file) if work.validation_file else None,
            languages=list(base.languages) if base else [],
            most=most,
            losses=pair,
            counted=await _counted(provider, model.base, work.validation_file),
            answers=str(answers),
            curve=list((job.progress or {}).get("losses") or []),
            judgements=judgements,
            judge_model=self._judge_model,
            took=round(progress["seconds"], 1),
            provenance={
                "model": f"{model.name} (v{model.version})",
                "external_id": model.external_id,
                "base": model.base,
                "dataset": f"{held.dataset.name} #{held.version.number}",
                "data_digest": job.data_digest,
                "training_rows": parts.training_rows,
                "held_out_rows": parts.validation_rows,
                "parameters": dict(job.hyperparameters),
                "seed": job.seed,
                "licence": base.licence if base else "?",
                "dated": f"{now():%Y-%m-%d}",
                "template": progress["template"],
            },
        )
        return Verdict.from_json(answer["verdict"])

    async def picture(self, verdict: Verdict, language: str, people: Mapping[str, WinRate]) -> str:
        """Draw it; its digest."""
        target = self._files.temporary()
        try:
            await self._work(
                work="picture",
                verdict=verdict.as_json(),
                words=dict(self._words(language)),
                people={other: plain(rate) for other, rate in people.items()},
                target=str(target),
            )
            return (await self._files.adopt(target)).digest
        finally:
            target.unlink(missing_ok=True)

    async def curve(self, job: Job) -> bytes | None:
        """The loss of a job so far as a picture; None before there are two points."""
        points = (job.progress or {}).get("losses") or []
        if len(points) < 2:
            return None
        target = self._files.temporary()
        try:
            await self._work(
                work="curve",
                curve=points,
                losses=(job.progress or {}).get("validation_loss"),
                words=dict(self._words(job.language)),
                target=str(target),
            )
            return await asyncio.to_thread(target.read_bytes)
        finally:
            target.unlink(missing_ok=True)

    async def rate(self, winners: Sequence[str], voters: int) -> WinRate:
        """The win rate of votes."""
        return WinRate(**(await self._work(work="rate", winners=list(winners), voters=voters))["rate"])

    async def _work(self, **request: Any) -> dict[str, Any]:
        return await workers.ask(
            worker.MODULE,
            request,
            seconds=worker.SECONDS,
            memory_bytes=worker.MEMORY_BYTES,
            environment=worker.ENVIRONMENT,
        )


async def _counted(provider: Provider, base: str, held_out: Path | None) -> tuple[int, int] | None:
    """Learned tokens of held-out rows and the bytes that they write: of the first ones, for only their ratio counts."""
    if held_out is None or not isinstance(provider, Template):
        return None
    tokens = size = 0
    try:
        for row in islice(conversations(held_out), _COUNTED):
            for piece in await provider.pieces(base, row, _WHOLE):
                if piece.learned:
                    tokens += piece.tokens
                    size += len(piece.text.encode())
    except FineTuneError:
        return None
    return tokens, size


def plain(rate: WinRate) -> dict[str, Any]:
    """As plain data."""
    return {name: getattr(rate, name) for name in WinRate.__slots__}
