"""Together [3.9] and Fireworks [3.10]: what the contract does not ask of everybody."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from finetune.errors import ParameterError, ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import resolve
from finetune.providers.abilities import Cost, capabilities
from tests.contracts.provider_worlds import FireworksWorld, TogetherWorld
from tests.finetune.providers.conftest import job_of


@pytest.fixture
async def together(tmp_path: Path) -> AsyncIterator[TogetherWorld]:
    world = TogetherWorld(tmp_path)
    async with world.served():
        yield world


@pytest.fixture
async def fireworks(tmp_path: Path) -> AsyncIterator[FireworksWorld]:
    world = FireworksWorld(tmp_path)
    async with world.served():
        yield world


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", JobState.QUEUED),
        ("queued", JobState.QUEUED),
        ("running", JobState.RUNNING),
        ("compressing", JobState.RUNNING),
        ("uploading", JobState.RUNNING),
        ("cancel_requested", JobState.RUNNING),
        ("cancelled", JobState.CANCELLED),
        ("error", JobState.FAILED),
        ("user_error", JobState.FAILED),
        ("completed", JobState.AWAITING_OPERATOR),
    ],
)
async def test_every_word_of_together(together: TogetherWorld, word: str, state: JobState) -> None:
    provider = together.provider()
    handle = await provider.submit(job_of(together.folder, together.base), 1)
    together.word(word)
    assert (await provider.status(handle)).state is state
    await provider.close()


async def test_togethers_payload_price_and_time(together: TogetherWorld) -> None:
    provider = together.provider()
    job = job_of(together.folder, together.base)
    handle = await provider.submit(job, 1)
    created = together.vendor.exchanges[-1].sent
    assert created["training_type"] == {
        "type": "Lora", "lora_trainable_modules": "all-linear", "lora_r": 8, "lora_alpha": 32, "lora_dropout": 0.05,
    }  # fmt: skip
    assert created["training_method"] == {"method": "sft", "train_on_inputs": "auto"}
    assert (await provider.plan(job)).unsettable == ("max_tokens", "seed")
    assert await provider.cost(handle) is None
    together.vendor.only_job()["progress"] = {"estimate_available": True, "seconds_remaining": 90}
    assert (await provider.status(handle)).seconds_left == 90
    together.finish()
    assert await provider.cost(handle) == Cost(1.25, "USD")
    assert [point.step for point in await provider.checkpoints(handle)] == [9]
    able = capabilities(provider)
    assert (able.bills, able.operated, able.events, able.checkpoints) == (True, True, True, True)
    await provider.close()


async def test_a_file_of_a_wrong_format(together: TogetherWorld) -> None:
    together.vendor.invalid = True
    provider = together.provider()
    with pytest.raises(ProviderError) as caught:
        await provider.submit(job_of(together.folder, together.base), 1)
    assert "INVALID_FORMAT" in str(caught.value.fields["detail"])
    assert together.count == 0
    await provider.close()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("JOB_STATE_CREATING", JobState.QUEUED),
        ("JOB_STATE_PENDING", JobState.QUEUED),
        ("JOB_STATE_VALIDATING", JobState.QUEUED),
        ("JOB_STATE_RUNNING", JobState.RUNNING),
        ("JOB_STATE_WRITING_RESULTS", JobState.RUNNING),
        ("JOB_STATE_PAUSED", JobState.RUNNING),
        ("JOB_STATE_COMPLETED", JobState.AWAITING_OPERATOR),
        ("JOB_STATE_EARLY_STOPPED", JobState.AWAITING_OPERATOR),
        ("JOB_STATE_FAILED", JobState.FAILED),
        ("JOB_STATE_EXPIRED", JobState.FAILED),
        ("JOB_STATE_CANCELLED", JobState.CANCELLED),
        ("JOB_STATE_UNSPECIFIED", JobState.QUEUED),
    ],
)
async def test_every_word_of_fireworks(fireworks: FireworksWorld, word: str, state: JobState) -> None:
    provider = fireworks.provider()
    handle = await provider.submit(job_of(fireworks.folder, fireworks.base), 1)
    fireworks.word(word)
    assert (await provider.status(handle)).state is state
    await provider.close()


async def test_a_dataset_that_is_not_ready_is_waited_for(fireworks: FireworksWorld) -> None:
    fireworks.vendor.slow_datasets = True
    provider = fireworks.provider()
    job = job_of(fireworks.folder, fireworks.base)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(job, 1)
    assert caught.value.code == "dataset_not_ready"
    for _ in range(2):
        for found in fireworks.vendor.datasets.values():
            found["state"] = "READY"
        fireworks.later()
        with suppress(ProviderUnavailable):
            await provider.submit(job, 1)
    for found in fireworks.vendor.datasets.values():
        found["state"] = "READY"
    fireworks.later()
    await provider.submit(job, 1)
    assert (fireworks.count, len(fireworks.vendor.datasets)) == (1, 2)
    await provider.close()


async def test_fireworks_limits_cost_and_what_is_not_shown(fireworks: FireworksWorld) -> None:
    """Rank 32 at most; three rows at least; no alpha, no dropout; a signed address is in no log."""
    provider = fireworks.provider()
    with pytest.raises(ParameterError):
        resolve("standard", {}, {"rank": 33}, provider.ranges)
    with pytest.raises(ProviderError) as caught:
        await provider.plan(job_of(fireworks.folder, fireworks.base, rows=2))
    assert caught.value.code == "provider_rows"
    job = job_of(fireworks.folder, fireworks.base)
    assert (await provider.plan(job)).unsettable == ("alpha", "dropout", "seed")
    handle = await provider.submit(job, 1)
    assert await provider.cost(handle) is None
    fireworks.vendor.only_job()["jobProgress"] = {"percent": 40, "epoch": 1}
    found = await provider.status(handle)
    assert (found.step, found.steps) == (40, 100)
    fireworks.finish()
    assert await provider.cost(handle) == Cost(1.25, "USD")
    log = await provider.log(handle)
    assert b"JOB_STATE_COMPLETED" in log
    assert b"signature" not in log
    await provider.close()
