"""Real trainings: how they run, end, die and go on."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.jobs import JobState
from finetune.providers.local import LocalProvider, processes, trainer
from finetune.providers.local.folder import JobFolder
from finetune.providers.provider import FineTune
from tests.finetune.local import helpers
from tests.finetune.local.conftest import Tuned, renamed

pytestmark = pytest.mark.local


async def test_a_training_learns_and_says_so(tuned: Tuned, data_dir: Path) -> None:
    status = tuned.status
    assert status.state is JobState.SUCCEEDED
    assert (status.step, status.steps) == (6, 6)
    assert [step for step, _ in status.losses] == [1, 2, 3, 4, 5, 6]
    assert status.validation_loss is not None
    before, after = status.validation_loss
    assert after < before - 0.5
    assert status.model == f"local:smollm2-135m-instruct:{tuned.job.key}"
    folder = data_dir / "jobs" / tuned.job.key
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert (folder / result["adapter"] / "adapter_model.safetensors").is_file()
    assert (folder / result["gguf"]).is_file()
    assert result["peak_rss"] < 3e9
    assert not list(folder.glob("ckpt-*"))


async def test_the_plan_is_what_happens(provider: LocalProvider, tuned: Tuned) -> None:
    plan = await provider.plan(tuned.job)
    assert plan.steps == tuned.status.steps
    assert plan.tokens is not None
    assert plan.tokens * tuned.job.hyperparameters.epochs == tuned.status.trained_tokens
    assert plan.seconds is not None
    assert plan.seconds[0] < plan.seconds[1]
    assert plan.free


async def test_submitting_again_starts_nothing(provider: LocalProvider, tuned: Tuned) -> None:
    log = await provider.log(tuned.job.key)
    assert await provider.submit(tuned.job, 1) == tuned.job.key
    assert await provider.submit(tuned.job, 2) == tuned.job.key
    assert await provider.status(tuned.job.key) == tuned.status
    assert await provider.log(tuned.job.key) == log


async def test_a_stopped_and_a_killed_training_go_on_to_the_same_end(
    provider: LocalProvider, tuned: Tuned, data_dir: Path
) -> None:
    job = renamed(tuned.job, "interrupted")
    await provider.submit(job, 1)
    await provider.submit(job, 1)
    await helpers.reached(provider, job.key, 1)
    os.kill(helpers.trainer(data_dir, job.key), signal.SIGTERM)
    stopped = await helpers.ended(provider, job.key)
    assert stopped.lost
    assert stopped.state is JobState.RUNNING
    assert list((data_dir / "jobs" / job.key).glob("ckpt-1-*"))

    await provider.submit(job, 2)
    await helpers.reached(provider, job.key, 3)
    os.kill(helpers.trainer(data_dir, job.key), signal.SIGKILL)
    killed = await helpers.ended(provider, job.key)
    assert killed.lost
    assert not killed.state.ended

    await provider.submit(job, 3)
    finished = await helpers.ended(provider, job.key)
    assert finished.state is JobState.SUCCEEDED
    assert finished.losses == tuned.status.losses
    assert finished.validation_loss == tuned.status.validation_loss
    log = (await provider.log(job.key)).decode()
    assert log.count("goes on after step") == 2
    assert log.count("begins") == 3


async def test_cancel_ends_a_running_and_a_dead_training(
    provider: LocalProvider, job: FineTune, data_dir: Path
) -> None:
    running = renamed(job, "cancelled")
    await provider.submit(running, 1)
    await helpers.until(lambda: _word(provider, running.key, "training", "evaluating"))
    await provider.cancel(running.key)
    assert (await helpers.ended(provider, running.key)).state is JobState.CANCELLED
    await provider.cancel(running.key)

    dead = JobFolder(data_dir / "jobs" / "dead")
    dead.write_manifest(JobFolder(data_dir / "jobs" / running.key).manifest())
    assert (await provider.status("dead")).lost
    await provider.cancel("dead")
    assert (await provider.status("dead")).state is JobState.CANCELLED


async def test_a_cancelled_training_goes_on_to_the_same_end(
    provider: LocalProvider, tuned: Tuned, data_dir: Path
) -> None:
    job = renamed(tuned.job, "reopened")
    await provider.submit(job, 1)
    await helpers.reached(provider, job.key, 1)
    await provider.cancel(job.key)
    # At once, while the trainer is still leaving: nobody waits for that who taps Resume.
    assert (await helpers.ended(provider, job.key, gone=False)).state is JobState.CANCELLED
    step = await provider.checkpoint(job.key)
    assert step is not None
    assert step >= 1
    attempt = await provider.reopen(job.key, 2)
    assert attempt == 2
    await provider.submit(job, attempt)
    finished = await helpers.ended(provider, job.key)
    assert finished.state is JobState.SUCCEEDED
    assert finished.losses == tuned.status.losses
    assert f"goes on after step {step}" in (await provider.log(job.key)).decode()
    assert await provider.checkpoint(job.key) is None


async def _word(provider: LocalProvider, key: str, *words: str) -> bool:
    return (await provider.status(key)).word in words


async def test_out_of_memory_is_named(provider: LocalProvider, job: FineTune, data_dir: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.jsonl"
    text = " ".join(str(number) for number in range(1400))
    row = {"messages": [{"role": "user", "content": "count"}, {"role": "assistant", "content": text}]}
    long.write_text("\n".join([json.dumps(row)] * 4) + "\n", "utf-8")
    values = replace(job.hyperparameters, max_tokens=4096)
    big = replace(job, key="big", training_file=long, validation_file=None, hyperparameters=values)
    folder = provider.write_manifest(big)
    limit = 4_500_000_000

    def narrow() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, "-m", "finetune.providers.local.trainer", str(folder.path), "--attempt", "1"]
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        command,
        env=processes.environment(),
        preexec_fn=narrow,
        capture_output=True,
        check=False,
    )
    status = await provider.status(big.key)
    assert status.failure is not None, done.stderr.decode()
    assert status.failure.code == "out_of_memory"


async def test_a_changed_or_missing_dataset_is_refused(
    provider: LocalProvider, job: FineTune, data_dir: Path, tmp_path: Path
) -> None:
    changed = replace(job, key="changed", training_file=tmp_path / "rows.jsonl", validation_file=None)
    changed.training_file.write_text("{}\n", "utf-8")
    folder = provider.write_manifest(changed)
    changed.training_file.write_text('{"other": 1}\n', "utf-8")
    assert trainer.run(folder, 1) == 0
    failure = (await provider.status("changed")).failure
    assert failure is not None
    assert (failure.code, failure.fields) == ("dataset_changed", {"file": "rows.jsonl"})

    gone = replace(changed, key="gone")
    folder = provider.write_manifest(gone)
    gone.training_file.unlink()
    trainer.run(folder, 1)
    failure = (await provider.status("gone")).failure
    assert failure is not None
    assert failure.code == "dataset_missing"
