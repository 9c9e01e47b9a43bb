"""What an evaluation takes: seconds a question for each contestant, seconds and memory of measuring and drawing.

``python -m benchmarks.evaluation [--folder DIR] [--questions 20]``

Trains SmolLM2 135M on the sample dataset for real (a folder that has that training already is used again), then asks
everything that an evaluation asks, beside the training's own time.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path

import psutil

from bot.cards.verdict import picture_words
from bot.services.proof import AT_ONCE
from finetune import workers
from finetune.datasets import split
from finetune.evaluation import worker
from finetune.evaluation.answers import BASE, CONTESTANTS, TUNED, Answers, collect
from finetune.evaluation.asking import asker
from finetune.evaluation.contest import HELD, contest
from finetune.parameters import resolve
from finetune.providers.local import LocalProvider
from finetune.providers.provider import FineTune, Status

SAMPLE = Path(__file__).parent.parent / "examples" / "fortune_telling.jsonl"
SEED = 42


async def trained(provider: LocalProvider, folder: Path) -> Status:
    """The sample dataset's training, run unless it is there."""
    split(SAMPLE, folder / "training.jsonl", folder / "held-out.jsonl", share=0.125, seed=SEED)
    base = provider.bases[0]
    await provider.prepare(base.id)
    values = resolve("standard", base.recommended, {}).values
    job = FineTune(
        "benchmark", "benchmark", base.id, folder / "training.jsonl", folder / "held-out.jsonl", values, SEED
    )
    await provider.submit(job, 1)
    while not (status := await provider.status(job.key)).state.ended:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.2)
    return status


async def measured(request: dict[str, object]) -> tuple[float, float, dict[str, object]]:
    """Seconds and the highest memory (GB) of one piece of the worker's work, and its answer."""
    began = time.monotonic()
    answer = await workers.ask(
        worker.MODULE,
        request,
        seconds=worker.SECONDS,
        memory_bytes=worker.MEMORY_BYTES,
        environment=worker.ENVIRONMENT,
    )
    return time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6, answer


async def run(folder: Path, questions: int) -> None:
    """Everything, printed as one table."""
    provider = LocalProvider(folder)
    try:
        status = await trained(provider, folder)
        assert status.model is not None, status
        base = provider.bases[0]
        asked = contest(
            folder / "training.jsonl",
            folder / "held-out.jsonl",
            languages=base.languages,
            sampling=base.sampling,
            seed=SEED,
            most=questions,
        )
        file = folder / "benchmark-answers.jsonl"
        file.unlink(missing_ok=True)
        answers = Answers(file)
        total = memory = 0.0
        print(f"{'contestant':<12} {'answers':>7} {'seconds':>8} {'s a held-out question':>22}")
        for who in CONTESTANTS:
            began = time.monotonic()
            model = status.model if who == TUNED else base.id
            async with provider.endpoint(model) as endpoint, asker(endpoint) as ask:
                await collect(answers, asked.tasks(who), ask, clock=time.monotonic, at_once=AT_ONCE)
                memory = max(memory, *(psutil.Process(pid).memory_info().rss for pid in provider.server_processes()))
            seconds = time.monotonic() - began
            total += seconds
            held = [kept.seconds for kept in answers.of(HELD, who, asked.held_out)]
            print(f"{who:<12} {len(asked.tasks(who)):>7} {seconds:>8.1f} {sum(held) / len(held) / AT_ONCE:>22.2f}")
    finally:
        await provider.close()
    seconds, peak, answer = await measured(
        {
            "work": "verdict",
            "training": str(folder / "training.jsonl"),
            "validation": str(folder / "held-out.jsonl"),
            "languages": list(base.languages),
            "most": questions,
            "losses": status.validation_loss,
            "counted": None,
            "answers": str(file),
            "curve": status.losses,
            "judgements": {},
            "judge_model": "",
            "took": total,
            "provenance": {
                "model": "benchmark",
                "external_id": status.model,
                "base": base.id,
                "dataset": "sample",
                "data_digest": "",
                "training_rows": 140,
                "held_out_rows": 20,
                "parameters": {},
                "seed": SEED,
                "licence": base.licence,
                "dated": "",
            },
        }
    )
    print(f"measuring    {seconds:>16.1f} s, {peak:.2f} GB")
    drawing = {"work": "picture", "verdict": answer["verdict"], "words": dict(picture_words("en")), "people": {}}
    seconds, peak, _ = await measured({**drawing, "target": str(folder / "benchmark.png")})
    print(f"drawing      {seconds:>16.1f} s, {peak:.2f} GB at most so far")
    result = json.loads((folder / "jobs" / "benchmark" / "result.json").read_text("utf-8"))
    print(f"model server {memory / 1e9:>31.2f} GB")
    print(f"asking in all {total:.1f} s; the training itself took {result['seconds']:.1f} s")
    missing = [who for who in (BASE, TUNED) if not answers.of(HELD, who, asked.held_out)]
    assert not missing, missing


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--questions", type=int, default=20)
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(options.folder.resolve(), options.questions))
        return
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(Path(name), options.questions))


if __name__ == "__main__":
    main()
