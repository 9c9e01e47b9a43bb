"""DashScope, by the facts 3.5."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.abilities import capabilities
from finetune.providers.dashscope import DashScopeProvider
from finetune.providers.handles import unpack
from finetune.providers.notes import SETTLED
from tests.fakes.providers.dashscope import DashScopeStandIn
from tests.fakes.providers.standin import KEY, Trouble, served
from tests.finetune.providers.conftest import Ticking, job_of

BASE = "qwen3-14b"


@pytest.fixture
async def vendor() -> AsyncIterator[DashScopeStandIn]:
    async with served(DashScopeStandIn()) as found:
        yield found


def provider_of(vendor: DashScopeStandIn, folder: Path, clock: Ticking, key: str = KEY) -> DashScopeProvider:
    return DashScopeProvider(
        key, folder / "notes", base_url=vendor.base_url, clock=clock, wall_clock=clock, timeout=0.5
    )


@pytest.fixture
async def provider(vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking) -> AsyncIterator[DashScopeProvider]:
    found = provider_of(vendor, tmp_path, ticking)
    yield found
    await found.close()


async def test_the_payload_is_the_documented_one(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path
) -> None:
    """LoRA, the three required values, the learning rate as text."""
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    created = vendor.exchanges[-1]
    assert created.sent == {
        "model": "qwen3-14b",
        "training_type": "efficient_sft",
        "hyper_parameters": {
            "lr_scheduler_type": "linear", "n_epochs": 3, "batch_size": 8, "max_length": 4096,
            "learning_rate": "0.0001", "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05,
        },
        "job_name": "teller_tt0123456789",
        "finetuned_output_suffix": "23456789",
        "training_file_ids": ["976bd01a-1"],
        "validation_file_ids": ["976bd01a-2"],
    }  # fmt: skip
    assert unpack(handle)[0] in vendor.jobs
    assert (await provider.plan(job_of(tmp_path, BASE))).unsettable == ("seed",)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", JobState.QUEUED),
        ("QUEUING", JobState.QUEUED),
        ("RUNNING", JobState.RUNNING),
        ("CANCELING", JobState.RUNNING),
        ("FAILED", JobState.FAILED),
        ("CANCELED", JobState.CANCELLED),
        ("CANCELLED", JobState.CANCELLED),
        ("SUSPENDED", JobState.QUEUED),
        ("UNKNOWN", JobState.QUEUED),
    ],
)
async def test_every_word(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, word: str, state: JobState
) -> None:
    """Both spellings of cancelled; words without a meaning for us end nothing."""
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    vendor.only_job().update(status=word, code="DataError", message="row 3")
    found = await provider.status(handle)
    assert (found.state, found.word) == (state, word)
    if state is JobState.FAILED:
        assert found.failure is not None
        assert found.failure.fields["reason"] == "DataError row 3"


async def test_deployed_by_the_token_once_and_only_when_agreed(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking
) -> None:
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    vendor.finish()
    trained = await provider.status(handle)
    assert (trained.state, trained.trained_tokens) == (JobState.AWAITING_OPERATOR, 3000)
    assert vendor.deployments == {}
    handle = provider.agree(handle)
    assert provider.agreed(handle)
    vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], "/deployments", "POST"
    with pytest.raises(ProviderUnavailable):
        await provider.status(handle)
    ticking.now += 700
    assert (await provider.status(handle)).state is JobState.DEPLOYING
    ((name, found),) = vendor.deployments.items()
    assert vendor.asked("POST", "/api/v1/deployments") == 1
    assert name.startswith("qwen3-14b-23456789-ft-202611250101-1c7f")
    for word, state in (("DEPLOYING", JobState.DEPLOYING), ("MUSING", JobState.DEPLOYING)):
        found["status"] = word
        ticking.now += 60
        assert (await provider.status(handle)).state is state
    found["status"] = "RUNNING"
    ticking.now += 60
    ready = await provider.status(handle)
    assert (ready.state, ready.model) == (JobState.SUCCEEDED, name)
    async with provider.endpoint(name) as endpoint:
        assert endpoint.base_url == f"{vendor.base_url}/compatible-mode/v1"


async def test_a_deployment_that_fails(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking
) -> None:
    handle = provider.agree(await provider.submit(job_of(tmp_path, BASE), 1))
    vendor.finish()
    await provider.status(handle)
    next(iter(vendor.deployments.values())).update(status="FAILED", message="no quota")
    ticking.now += 60
    found = await provider.status(handle)
    assert found.failure is not None
    assert (found.failure.code, found.failure.fields["reason"]) == ("deploy_failed", "no quota")


@pytest.mark.parametrize("hides", [0, 1])
async def test_a_lost_answer_starts_one_job(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking, hides: int
) -> None:
    job = job_of(tmp_path, BASE)
    vendor.hides = hides
    vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], "/fine-tunes", "POST"
    with pytest.raises(ProviderUnavailable):
        await provider.submit(job, 1)
    restarted = provider_of(vendor, tmp_path, ticking)
    if hides:
        with pytest.raises(ProviderUnavailable) as caught:
            await restarted.submit(job, 1)
        assert caught.value.code == "create_unconfirmed"
        ticking.now += SETTLED + 1
    handle = await restarted.submit(job, 1)
    assert [unpack(handle)[0]] == list(vendor.jobs)
    assert len(vendor.files) == 2
    await restarted.close()


async def test_jobs_are_found_on_any_page(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking
) -> None:
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    ours = vendor.jobs.pop(unpack(handle)[0])
    vendor.jobs.update({f"ft-{n}": {**ours, "job_id": f"ft-{n}", "job_name": f"other{n}"} for n in range(150)})
    vendor.jobs[ours["job_id"]] = ours
    restarted = provider_of(vendor, tmp_path, ticking)
    assert await restarted.submit(job_of(tmp_path, BASE), 1) == handle
    await restarted.close()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble.BUSY, "provider_busy"),
        (Trouble.DOWN, "provider_down"),
        (Trouble.GATEWAY, "provider_timeout"),
        (Trouble.HTML, "provider_not_json"),
        (Trouble.TRUNCATED, "provider_not_json"),
        (Trouble.ODD, "provider_odd"),
        (Trouble.DROPPED, "provider_lost"),
        (Trouble.SLOW, "provider_timeout"),
    ],
)
async def test_bad_days(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking, trouble: Trouble, code: str
) -> None:
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    # aiohttp asks a second time where a kept connection turns out to be closed.
    vendor.troubles = [trouble] * (2 if trouble is Trouble.DROPPED else 1)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.status(handle)
    assert caught.value.code == code
    vendor.patience.set()
    ticking.now += 700
    assert (await provider.status(handle)).state is JobState.QUEUED


async def test_cancelling_in_either_spelling(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path
) -> None:
    vendor.cancelled = "CANCELLED"
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    await provider.cancel(handle)
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED


async def test_a_job_that_vanished_did_not_fail(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking
) -> None:
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    vendor.jobs.clear()
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.status(handle)
    assert caught.value.code == "job_vanished"
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED


async def test_the_log_is_the_events(provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path) -> None:
    handle = await provider.submit(job_of(tmp_path, BASE), 1)
    assert await provider.log(handle) == b"training started\n{'loss': 1.5}\n"


async def test_a_file_that_is_refused_inside_of_a_good_answer(
    provider: DashScopeProvider, vendor: DashScopeStandIn, tmp_path: Path
) -> None:
    vendor.fails_upload = True
    with pytest.raises(ProviderError) as caught:
        await provider.submit(job_of(tmp_path, BASE), 1)
    assert (caught.value.code, caught.value.fields["detail"]) == ("provider_refused", "line 3 is no JSON")
    assert vendor.jobs == {}


async def test_files_of_300_megabytes_at_most(provider: DashScopeProvider, tmp_path: Path) -> None:
    job = job_of(tmp_path, BASE)
    with job.training_file.open("ab") as file:
        file.truncate(300_000_001)
    with pytest.raises(ProviderError) as caught:
        await provider.submit(job, 1)
    assert caught.value.code == "provider_file_size"


async def test_a_wrong_key(vendor: DashScopeStandIn, tmp_path: Path, ticking: Ticking) -> None:
    provider = provider_of(vendor, tmp_path, ticking, "sk-secret")
    with pytest.raises(ProviderError) as caught:
        await provider.submit(job_of(tmp_path, BASE), 1)
    assert caught.value.code == "provider_key"
    assert "sk-secret" not in str(caught.value)
    assert [a.holds for a in await provider.assumptions()] == [False]
    await provider.close()


async def test_assumptions_and_capabilities(provider: DashScopeProvider) -> None:
    assert {a.id: a.holds for a in await provider.assumptions()} == dict.fromkeys(["DS1", "DS2", "DS3", "DS4"], True)
    assert (await provider.reach()).ready
    found = capabilities(provider)
    assert (found.creates, found.deploys, found.events, found.operated) == (True, True, True, False)
    terms = provider.terms(BASE)
    assert terms is not None
    assert (terms.plan, terms.billing) == ("lora", "token")
