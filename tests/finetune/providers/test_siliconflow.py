"""SiliconFlow: handed over, bound, tried. The ids in brackets are those of the facts about the vendor."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.abilities import capabilities
from finetune.providers.siliconflow import SiliconFlowProvider
from finetune.providers.siliconflow.ids import ModelId
from finetune.providers.tags import TAG
from tests.fakes.providers.siliconflow import PIXEL, SiliconFlowStandIn
from tests.fakes.providers.standin import KEY, Trouble, served
from tests.finetune.providers.conftest import Ticking, job_of

BASE = "Qwen/Qwen2.5-7B-Instruct"


@pytest.fixture
async def vendor() -> AsyncIterator[SiliconFlowStandIn]:
    async with served(SiliconFlowStandIn(), "/v1") as found:
        yield found


@pytest.fixture
async def provider(vendor: SiliconFlowStandIn, ticking: Ticking) -> AsyncIterator[SiliconFlowProvider]:
    found = SiliconFlowProvider(KEY, base_url=vendor.base_url, clock=ticking)
    yield found
    await found.close()


def model_of(handle_task: str, base: str = BASE) -> str:
    return f"ft:LoRA/{base}:cm1abcdefg:{handle_task}:npwivjtfynnfhuzijmzb"


async def handed(provider: SiliconFlowProvider, folder: Path) -> tuple[str, str]:
    """A handle, and the id that the console would show for it."""
    job = job_of(folder, BASE)
    handle = await provider.submit(job, 1)
    return handle, model_of(provider.hand_over(job, handle).task_name)


async def test_hand_over_is_the_consoles_form(provider: SiliconFlowProvider, tmp_path: Path) -> None:
    """[1.3, 1.7] Every value, in the console's order; the task name carries the tag and nothing odd."""
    job = job_of(tmp_path, BASE)
    handle = await provider.submit(job, 1)
    found = provider.hand_over(job, handle)
    assert found.values == (
        ("Learning Rate", "0.0001"),
        ("Number of Epochs", "3"),
        ("Batch Size", "8"),
        ("Max Tokens", "4096"),
        ("LoRA Rank", "8"),
        ("LoRA Alpha", "32"),
        ("LoRA Dropout", "0.05"),
    )
    assert found.link == "https://cloud.siliconflow.cn/fine-tune"
    assert [name for name, _ in found.files] == ["train.jsonl", "val.jsonl"]
    assert found.task_name == "teller_tt0123456789"
    assert found.base == BASE
    assert found.uploaded == ()


async def test_nothing_is_asked_of_the_vendor_to_hand_over(
    provider: SiliconFlowProvider, vendor: SiliconFlowStandIn, tmp_path: Path
) -> None:
    """[1.1] There is no interface for jobs, and none is guessed."""
    handle, _ = await handed(provider, tmp_path)
    assert (await provider.status(handle)).state is JobState.AWAITING_OPERATOR
    assert (await provider.status(provider.started(handle))).state is JobState.RUNNING
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED
    assert vendor.exchanges == []


async def test_submitting_twice_is_the_same_job(provider: SiliconFlowProvider, tmp_path: Path) -> None:
    job = job_of(tmp_path, BASE)
    assert await provider.submit(job, 1) == await provider.submit(job, 1)


async def test_the_plan_says_what_is_not_known(provider: SiliconFlowProvider, tmp_path: Path) -> None:
    """[1.8] No price, no time; the seed cannot be set."""
    found = await provider.plan(job_of(tmp_path, BASE))
    assert (found.price, found.seconds, found.free) == (None, None, False)
    assert found.unsettable == ("seed",)
    assert found.operated
    assert (found.steps, found.tokens_exact) == (9, True)


async def test_flux_says_that_the_vendor_ended_it(provider: SiliconFlowProvider) -> None:
    """[1.4]"""
    flux = next(base for base in provider.bases if "FLUX" in base.id)
    assert [sunset.date for sunset in provider.profile.sunsets_of(flux.id)] == ["2025-02-27"]
    assert flux.notes == ("siliconflow.flux",)
    assert provider.profile.sunsets_of(BASE) == ()


async def test_a_bound_id_ends_the_job_when_it_answers(
    provider: SiliconFlowProvider, vendor: SiliconFlowStandIn, tmp_path: Path, ticking: Ticking
) -> None:
    """[6] 200 is ready, 20012 is not there yet; between two tries nothing is asked."""
    handle, model = await handed(provider, tmp_path)
    bound = provider.bind(handle, f"  {model}\n")
    waiting = await provider.status(bound)
    assert waiting.state is JobState.RUNNING
    assert waiting.word == "missing: Model does not exist. Please check it carefully."
    vendor.models.add(model)
    assert (await provider.status(bound)).state is JobState.RUNNING
    assert vendor.asked("POST", "/v1/chat/completions") == 1
    ticking.now += 61
    ready = await provider.status(bound)
    assert (ready.state, ready.model) == (JobState.SUCCEEDED, model)
    assert vendor.exchanges[-1].sent["max_tokens"] == 1


@pytest.mark.parametrize(
    ("status", "code", "check"),
    [
        (400, 20012, "missing"),
        (401, 0, "key"),
        (403, 30001, "forbidden"),
        (429, 0, "busy"),
        (500, 0, "down"),
        (503, 50505, "down"),
        (504, 0, "down"),
        (400, 20015, "refused"),
    ],
)
async def test_every_answer_is_explained(
    provider: SiliconFlowProvider, vendor: SiliconFlowStandIn, tmp_path: Path, status: int, code: int, check: str
) -> None:
    """[1.11] Wrapped errors ``{code, message, data}``; none of them ends a job."""
    handle, model = await handed(provider, tmp_path)
    vendor.chat = (status, code, "the vendor's words")
    found = await provider.check(model)
    assert (found.ready, found.code) == (False, check)
    if status != 401:
        assert "the vendor's words" in found.detail
    bound = provider.bind(handle, model)
    with suppress(ProviderUnavailable):
        assert (await provider.status(bound)).state is JobState.RUNNING


@pytest.mark.parametrize("trouble", list(Trouble))
async def test_bad_days_end_nothing(
    vendor: SiliconFlowStandIn, tmp_path: Path, trouble: Trouble, ticking: Ticking
) -> None:
    provider = SiliconFlowProvider(KEY, base_url=vendor.base_url, clock=ticking)
    if trouble is Trouble.SLOW:
        import aiohttp

        provider._wire._timeout = aiohttp.ClientTimeout(total=0.05)
    handle, model = await handed(provider, tmp_path)
    vendor.models.add(model)
    bound = provider.bind(handle, model)
    vendor.troubles = [trouble]
    with suppress(ProviderUnavailable):
        assert (await provider.status(bound)).state is JobState.RUNNING
    ticking.now += 700
    assert (await provider.status(bound)).state is JobState.SUCCEEDED
    await provider.close()


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("", "bind_form"),
        ("Qwen/Qwen2.5-7B-Instruct", "bind_form"),
        ("ft:LoRA/Qwen/Qwen2.5-7B-Instruct:someone:task", "bind_form"),
        ("ft:LoRA/Qwen/Qwen2.5-7B-Instruct:a b:task:abc", "bind_form"),
        ("ft:LoRA/Qwen/Qwen2.5-7B-Instruct:a:task:abc-ckpt_step_", "bind_form"),
        ("ft:LoRA/Qwen/Qwen2.5-72B-Instruct:a:teller_tt0123456789:abc", "bind_base"),
        ("ft:LoRA/Qwen/Qwen2.5-7B-Instruct:a:teller_tt9999999999:abc", "bind_tag"),
    ],
)
async def test_ids_that_cannot_be_this_jobs(
    provider: SiliconFlowProvider, tmp_path: Path, model: str, code: str
) -> None:
    """[1.9] Form, base and tag."""
    handle, _ = await handed(provider, tmp_path)
    with pytest.raises(ProviderError) as caught:
        provider.bind(handle, model)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "seen",
    [
        "ft:LoRA/Qwen/Qwen2.5-72B-Instruct:ka1234564e:hkt_szr:npwivjtfynnfhuzijmzb",
        "ft:LoRA/Qwen/Qwen2.5-7B-Instruct:cm04wf0sn0003jzl2t6lq3abc:t:npwivjtfynnfhuzijmzb-ckpt_step_364",
        "ft:LoRA/black-forest-labs/FLUX.1-dev:d1vhq2kd9mkc73a1b2c3:pic:npwivjtfynnfhuzijmzb",
    ],
)
def test_ids_as_they_were_seen(seen: str) -> None:
    """[1.9] Accounts of 10, 20 and 25 characters."""
    assert ModelId.of(seen).text == seen


async def test_a_task_name_of_ones_own_is_taken(provider: SiliconFlowProvider, tmp_path: Path) -> None:
    handle, _ = await handed(provider, tmp_path)
    assert provider.bind(handle, model_of("my_own_name"))


async def test_checkpoints_are_bound_beside(provider: SiliconFlowProvider, tmp_path: Path) -> None:
    handle, model = await handed(provider, tmp_path)
    first = provider.bind(handle, f"{model}-ckpt_step_14")
    assert (await provider.status(first)).state is JobState.RUNNING
    both = provider.bind(provider.bind(first, f"{model}-ckpt_step_7"), model)
    assert [found.step for found in await provider.checkpoints(both)] == [7, 14]
    assert provider.bind(both, model) == both
    with pytest.raises(ProviderError) as caught:
        provider.bind(both, model_of("other_tt0123456789").replace("npw", "abc"))
    assert caught.value.code == "bind_other"


async def test_uploads_only_when_asked_for(vendor: SiliconFlowStandIn, tmp_path: Path) -> None:
    """[1.2] Wrapped body, camel case; what is there already is not sent again."""
    provider = SiliconFlowProvider(KEY, base_url=vendor.base_url, upload=True)
    job = job_of(tmp_path, BASE)
    handle = await provider.submit(job, 1)
    assert await provider.submit(job, 1) == handle
    assert [row["filename"] for row in vendor.files] == [
        "teller_tt0123456789_train.jsonl",
        "teller_tt0123456789_val.jsonl",
    ]
    assert provider.hand_over(job, handle).uploaded == ("file-0000000001", "file-0000000002")
    await provider.close()


async def test_an_upload_that_fails_leads_back_to_the_files(vendor: SiliconFlowStandIn, tmp_path: Path) -> None:
    vendor.files_open = False
    provider = SiliconFlowProvider(KEY, base_url=vendor.base_url, upload=True)
    job = job_of(tmp_path, BASE)
    found = provider.hand_over(job, await provider.submit(job, 1))
    assert (found.uploaded, found.notes) == ((), ("upload_failed",))
    await provider.close()


async def test_drawing(provider: SiliconFlowProvider, vendor: SiliconFlowStandIn) -> None:
    model = model_of("pic_tt0123456789", "black-forest-labs/FLUX.1-dev")
    with pytest.raises(ProviderError) as caught:
        await provider.draw(model, "a house")
    assert caught.value.fields["status"] == "400 20012"
    vendor.models.add(model)
    found = await provider.draw(model, "a house")
    assert (found.data, found.media_type) == (PIXEL, "image/png")


async def test_chat_streams_through_the_sdk(provider: SiliconFlowProvider, vendor: SiliconFlowStandIn) -> None:
    """[1.10] A first delta without content, a last event without choices."""
    model = model_of("a")
    vendor.models.add(model)
    async with (
        provider.endpoint(model) as endpoint,
        AsyncOpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model=endpoint.model, messages=[{"role": "user", "content": "hi"}], stream=True, max_tokens=4096
        )
        text = "".join([(c.choices[0].delta.content or "") if c.choices else "" async for c in stream])
    assert text == "The leaves settle."
    assert endpoint.context == 32768


async def test_assumptions_are_confirmed_and_refuted(provider: SiliconFlowProvider, vendor: SiliconFlowStandIn) -> None:
    assert {a.id: a.holds for a in await provider.assumptions()} == {
        "SF1": True, "SF2": True, "SF3": True, "SF4": None, "SF5": True,
    }  # fmt: skip
    vendor.files_open, vendor.listed = False, True
    vendor.models.add(model_of("a"))
    assert {a.id: a.holds for a in await provider.assumptions()} == {
        "SF1": True, "SF2": True, "SF3": False, "SF4": True, "SF5": True,
    }  # fmt: skip


async def test_a_wrong_key_is_never_repeated_in_words(vendor: SiliconFlowStandIn) -> None:
    provider = SiliconFlowProvider("sk-secret-that-nobody-sees", base_url=vendor.base_url)
    found = await provider.reach()
    assert (found.ready, found.code) == (False, "provider_key")
    assert "secret" not in repr(found)
    assert [a.id for a in await provider.assumptions()] == ["SF1"]
    await provider.close()


def test_capabilities() -> None:
    found = capabilities(SiliconFlowProvider(KEY))
    assert (found.creates, found.operated, found.draws, found.checkpoints) == (False, True, True, True)
    assert (found.webhook, found.events, found.deploys, found.resumes) == (False, False, False, False)
    assert TAG.search("teller_tt0123456789")
