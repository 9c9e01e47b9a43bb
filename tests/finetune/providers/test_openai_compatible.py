"""OpenAI's shape and who differs from it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.abilities import capabilities
from finetune.providers.handles import told, unpack
from finetune.providers.notes import SETTLED
from finetune.providers.openai_compatible import OpenAICompatibleProvider
from tests.fakes.providers.openai_shape import OpenAIStandIn
from tests.fakes.providers.standin import KEY, Trouble, served
from tests.finetune.providers.conftest import Ticking, job_of

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0"
BASES = {
    "nebius": "meta-llama/Meta-Llama-3.1-8B-Instruct",
    "crusoe": "meta-llama/Llama-3.1-8B-Instruct",
    "azure": "Ministral-3B",
    "zhipu": "glm-4-9b",
    "openai": "gpt-4o-mini",
}
Made = tuple[OpenAICompatibleProvider, OpenAIStandIn]
Maker = Callable[[str], "AsyncIterator[Made]"]


class Kit:
    """Makes a provider and the stand-in that it talks to."""

    def __init__(self, folder: Path, clock: Ticking, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.clock = clock
        self._stack = stack

    async def make(self, kind: str) -> Made:
        vendor = await self._stack.enter_async_context(served(OpenAIStandIn(kind=kind), "/v1/"))
        return self.again(kind, vendor), vendor

    def again(self, kind: str, vendor: OpenAIStandIn) -> OpenAICompatibleProvider:
        """As after a restart."""
        provider = OpenAICompatibleProvider(
            kind,
            KEY,
            self.folder / "notes",
            base_url=vendor.base_url,
            webhook_secret=SECRET,
            clock=self.clock,
            wall_clock=self.clock,
            timeout=0.5,
        )
        self._stack.push_async_callback(provider.close)
        return provider


@pytest.fixture
async def kit(tmp_path: Path, ticking: Ticking) -> AsyncIterator[Kit]:
    async with AsyncExitStack() as stack:
        yield Kit(tmp_path, ticking, stack)


async def test_nebius_takes_every_value_under_its_own_name(kit: Kit) -> None:
    """[3.2] Absolute learning rate, LoRA asked for; the vendor's own names."""
    provider, vendor = await kit.make("nebius")
    await provider.submit(job_of(kit.folder, BASES["nebius"]), 1)
    created = next(e for e in vendor.exchanges if e.method == "POST" and e.path.endswith("/jobs"))
    assert created.sent["hyperparameters"] == {
        "lora": True, "learning_rate": 1e-4, "n_epochs": 3, "batch_size": 8, "context_length": 4096, "lora_r": 8,
        "lora_alpha": 32, "lora_dropout": 0.05,
    }  # fmt: skip
    assert created.sent["seed"] == 42
    assert created.sent["suffix"] == "teller_tt0123456789"
    assert created.sent["metadata"] == {"tuneteller": "tt0123456789"}


@pytest.mark.parametrize(
    ("kind", "unsettable"),
    [
        ("nebius", ()),
        ("crusoe", ("learning_rate", "max_tokens", "rank", "alpha", "dropout")),
        ("azure", ("learning_rate", "max_tokens", "rank", "alpha", "dropout")),
        ("zhipu", ("learning_rate", "max_tokens", "rank", "alpha", "dropout", "seed")),
        ("openai", ("learning_rate", "max_tokens", "rank", "alpha", "dropout")),
    ],
)
async def test_each_profile_is_accepted_and_says_what_it_cannot_set(
    kit: Kit, kind: str, unsettable: tuple[str, ...]
) -> None:
    """[6, parameter translation] No rank, alpha, dropout or absolute rate in OpenAI's own shape [2]."""
    provider, vendor = await kit.make(kind)
    job = job_of(kit.folder, BASES[kind])
    plan = await provider.plan(job)
    assert plan.unsettable == unsettable
    handle = await provider.submit(job, 1)
    assert list(vendor.jobs) == [unpack(handle)[0]]
    assert (await provider.status(handle)).state is JobState.QUEUED


@pytest.mark.parametrize("kind", ["openai", "zhipu"])
async def test_a_lost_answer_starts_one_job(kit: Kit, kind: str) -> None:
    """[operations 2.3] Found by metadata, or by request_id."""
    provider, vendor = await kit.make(kind)
    job = job_of(kit.folder, BASES[kind])
    vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], "/jobs", "POST"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(job, 1)
    assert caught.value.code == "provider_lost"
    kit.clock.now += 700
    handle = await provider.submit(job, 1)
    assert list(vendor.jobs) == [unpack(handle)[0]]
    assert len(vendor.files) == 2


async def test_a_lost_answer_and_a_late_listing_start_one_job(kit: Kit) -> None:
    """Made, never answered, not listed at first: it is waited for, by the next process too."""
    provider, vendor = await kit.make("openai")
    job = job_of(kit.folder, BASES["openai"])
    vendor.hides = 1
    vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], "/jobs", "POST"
    with pytest.raises(ProviderUnavailable):
        await provider.submit(job, 1)
    restarted = kit.again("openai", vendor)
    with pytest.raises(ProviderUnavailable) as caught:
        await restarted.submit(job, 1)
    assert caught.value.code == "create_unconfirmed"
    assert len(vendor.jobs) == 1
    kit.clock.now += SETTLED + 1
    assert unpack(await restarted.submit(job, 1))[0] in vendor.jobs
    assert len(vendor.jobs) == 1


async def test_what_was_surely_not_made_is_made_when_it_settled(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    job = job_of(kit.folder, BASES["openai"])
    vendor.troubles, vendor.only, vendor.method = [Trouble.DROPPED], "/jobs", "POST"
    with pytest.raises(ProviderUnavailable):
        await provider.submit(job, 1)
    kit.clock.now += SETTLED + 1
    await provider.submit(job, 1)
    assert len(vendor.jobs) == 1


async def test_another_attempt_is_another_job(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    job = job_of(kit.folder, BASES["openai"])
    first = await provider.submit(job, 1)
    assert await provider.submit(job, 2) != first
    assert await kit.again("openai", vendor).submit(job, 1) == first
    assert len(vendor.jobs) == 2


async def test_a_filter_that_is_not_heeded_does_not_matter(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    vendor.filters = False
    first = await provider.submit(job_of(kit.folder, BASES["openai"], key="job-aaaaaaaaaaaaaa"), 1)
    assert await provider.submit(job_of(kit.folder, BASES["openai"]), 1) != first


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("validating_files", JobState.QUEUED),
        ("queued", JobState.QUEUED),
        ("running", JobState.RUNNING),
        ("pausing", JobState.RUNNING),
        ("paused", JobState.RUNNING),
        ("succeeded", JobState.SUCCEEDED),
        ("failed", JobState.FAILED),
        ("cancelled", JobState.CANCELLED),
    ],
)
async def test_every_word_of_openai(kit: Kit, word: str, state: JobState) -> None:
    """[2] Also those that the SDK does not name."""
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.finish()
    vendor.only_job()["status"] = word
    found = await provider.status(handle)
    assert (found.state, found.word) == (state, word)


async def test_a_word_that_is_new_ends_nothing_and_invents_nothing(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    for known, state in (("queued", JobState.QUEUED), ("running", JobState.RUNNING)):
        vendor.only_job()["status"] = known
        kit.clock.now += 60
        await provider.status(handle)
        vendor.only_job()["status"] = "contemplating"
        kit.clock.now += 60
        found = await provider.status(handle)
        assert (found.state, found.word) == (state, "contemplating")


async def test_a_state_that_goes_back_is_told_as_it_is(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.run()
    assert (await provider.status(handle)).state is JobState.RUNNING
    vendor.only_job()["status"] = "queued"
    kit.clock.now += 60
    assert (await provider.status(handle)).state is JobState.QUEUED


async def test_progress_losses_and_tokens(kit: Kit) -> None:
    """[3.2] True steps at Nebius; [3.6] Zhipu tells them in its events."""
    provider, vendor = await kit.make("nebius")
    handle = await provider.submit(job_of(kit.folder, BASES["nebius"]), 1)
    for step in (1, 3):
        vendor.run(step)
    found = await provider.status(handle)
    assert (found.step, found.steps, found.losses) == (3, 9, ((1, 1.9), (3, 1.7)))
    assert [event.message for event in await provider.events(handle)] == ["Job is submitted", "Step 1", "Step 3"]
    assert (await provider.log(handle)).startswith(b"info  Job is submitted\n")
    other, zhipu = await kit.make("zhipu")
    handle = await other.submit(job_of(kit.folder, BASES["zhipu"]), 1)
    zhipu.run(4)
    assert (await other.status(handle)).losses == ((4, 1.6),)


async def test_a_failure_has_the_providers_words(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.fail()
    found = await provider.status(handle)
    assert found.failure is not None
    assert found.failure.fields == {"provider": "openai", "reason": "invalid_file row 3 is bad"}


async def test_success_without_a_deployment(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.finish()
    found = await provider.status(handle)
    assert found.model == "ft:gpt-4o-mini:us:teller_tt0123456789:abc123"
    assert found.trained_tokens == 3000
    points = await provider.checkpoints(handle)
    assert [(p.step, p.training_loss, p.validation_loss) for p in points] == [(3, 1.0, 1.1), (9, 1.0, 1.1)]
    assert points[0].model.endswith(":ckpt-step-3")
    assert (await provider.check(found.model or "")).ready


async def test_success_without_a_model_is_not_the_end(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.only_job()["status"] = "succeeded"
    assert (await provider.status(handle)).state is JobState.RUNNING


@pytest.mark.parametrize("lists", [True, False])
async def test_nebius_deploys_once_and_only_when_agreed(kit: Kit, lists: bool) -> None:
    """[3.2] ``POST /v0/models``, validating until active; a lost answer does not deploy twice."""
    provider, vendor = await kit.make("nebius")
    vendor.lists_models = lists
    handle = await provider.submit(job_of(kit.folder, BASES["nebius"]), 1)
    vendor.finish()
    assert (await provider.status(handle)).state is JobState.AWAITING_OPERATOR
    assert not provider.agreed(handle)
    assert vendor.models == {}
    handle = provider.agree(handle)
    assert provider.agree(handle) == handle
    assert provider.agreed(handle)
    if lists:
        vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], "/v0/models", "POST"
        with pytest.raises(ProviderUnavailable):
            await provider.status(handle)
        kit.clock.now += 700
    assert (await provider.status(handle)).state is JobState.DEPLOYING
    provider = kit.again("nebius", vendor)
    assert (await provider.status(handle)).state is JobState.DEPLOYING
    (name,) = vendor.models
    assert vendor.models[name]["source"] == "ftjob-1:ftckpt_9"
    vendor.models[name]["status"] = "pondering"
    kit.clock.now += 60
    assert (await provider.status(handle)).state is JobState.DEPLOYING
    vendor.models[name]["status"] = "active"
    kit.clock.now += 60
    found = await provider.status(handle)
    assert (found.state, found.model) == (JobState.SUCCEEDED, name)


async def test_nebius_says_why_a_deployment_failed(kit: Kit) -> None:
    provider, vendor = await kit.make("nebius")
    handle = provider.agree(await provider.submit(job_of(kit.folder, BASES["nebius"]), 1))
    vendor.finish()
    await provider.status(handle)
    (name,) = vendor.models
    vendor.models[name].update(status="error", status_reason="rank is too large")
    kit.clock.now += 60
    found = await provider.status(handle)
    assert found.failure is not None
    assert (found.failure.code, found.failure.fields["reason"]) == ("deploy_failed", "rank is too large")


@pytest.mark.parametrize("kind", ["azure", "crusoe"])
async def test_a_console_deployment_is_bound(kit: Kit, kind: str) -> None:
    """[3.3, 3.4] The deployment is made elsewhere; its name is tried before people are told."""
    provider, vendor = await kit.make(kind)
    handle = await provider.submit(job_of(kit.folder, BASES[kind]), 1)
    vendor.finish()
    assert (await provider.status(handle)).state is JobState.AWAITING_OPERATOR
    bound = provider.bind(handle, " teller-prod ")
    assert (await provider.status(bound)).word.startswith("missing: 404")
    vendor.answering.add("teller-prod")
    kit.clock.now += 100
    found = await provider.status(bound)
    assert (found.state, found.model) == (JobState.SUCCEEDED, "teller-prod")
    with pytest.raises(ProviderError):
        provider.bind(handle, "two words")


async def test_cancelling(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    await provider.status(handle)
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED
    await provider.cancel(handle)
    vendor.jobs.clear()
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED


async def test_given_up_before_it_was_deployed(kit: Kit) -> None:
    provider, vendor = await kit.make("nebius")
    handle = await provider.submit(job_of(kit.folder, BASES["nebius"]), 1)
    vendor.finish()
    await provider.cancel(handle)
    assert (await provider.status(handle)).state is JobState.CANCELLED


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
        (Trouble.LOST, "provider_lost"),
        (Trouble.SLOW, "provider_timeout"),
    ],
)
async def test_bad_days_have_codes_and_end_nothing(kit: Kit, trouble: Trouble, code: str) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.troubles, vendor.only = [trouble], "/jobs/ftjob"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.status(handle)
    assert caught.value.code == code
    assert KEY not in str(caught.value)
    vendor.patience.set()
    kit.clock.now += 700
    assert (await provider.status(handle)).state is JobState.QUEUED


async def test_a_job_that_vanished_did_not_fail(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.jobs.clear()
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.status(handle)
    assert (caught.value.code, caught.value.fields["job"]) == ("job_vanished", "ftjob-1")


async def test_a_key_that_ran_out_ends_no_job(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    stranger = OpenAICompatibleProvider("openai", "sk-old", kit.folder, base_url=vendor.base_url)
    with pytest.raises(ProviderUnavailable) as caught:
        await stranger.status(handle)
    assert caught.value.code == "provider_key"
    with pytest.raises(ProviderError):
        await stranger.submit(job_of(kit.folder, BASES["openai"]), 1)
    await stranger.close()


async def test_retry_after_is_heeded(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    vendor.troubles, vendor.only, vendor.retry_after = [Trouble.BUSY], "/jobs/ftjob", "120"
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await provider.status(handle)
        kit.clock.now += 39
    assert vendor.asked("GET", "/v1/fine_tuning/jobs/ftjob-1") == 1
    kit.clock.now += 10
    assert (await provider.status(handle)).state is JobState.QUEUED


async def test_it_is_not_asked_more_often_than_it_bears(kit: Kit) -> None:
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    for _ in range(20):
        await provider.status(handle)
        kit.clock.now += 1
    assert vendor.asked("GET", "/v1/fine_tuning/jobs/ftjob-1") == 1


async def test_nobody_at_that_address(kit: Kit) -> None:
    provider = OpenAICompatibleProvider("openai", KEY, kit.folder, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    assert caught.value.code == "provider_unreachable"
    assert not (await provider.reach()).ready
    await provider.close()


async def test_what_would_be_refused_is_refused_before(kit: Kit) -> None:
    """[2] Ten examples at least; [3.4] files of 150 MB at most."""
    provider, _ = await kit.make("openai")
    with pytest.raises(ProviderError) as caught:
        await provider.plan(job_of(kit.folder, BASES["openai"], rows=9))
    assert caught.value.code == "provider_rows"
    azure, _ = await kit.make("azure")
    job = job_of(kit.folder, BASES["azure"])
    with job.training_file.open("ab") as file:
        file.truncate(150_000_001)
    with pytest.raises(ProviderError) as caught:
        await azure.submit(job, 1)
    assert caught.value.code == "provider_file_size"


async def test_signed_posts(kit: Kit) -> None:
    """[2] Signed with the secret, not older than five minutes, about a job: then it is asked at once."""
    provider, vendor = await kit.make("openai")
    handle = await provider.submit(job_of(kit.folder, BASES["openai"]), 1)
    await provider.status(handle)
    vendor.finish()
    body, headers = vendor.post("ftjob-1", SECRET)
    assert provider.notified(body, headers) == "ftjob-1"
    assert (await provider.status(handle)).state is JobState.SUCCEEDED
    other, signed = vendor.post("ftjob-1", SECRET, kind="succeeded", at=1)
    for bad_body, bad_headers in (
        (body, {**headers, "webhook-signature": "v1,AAAA"}),
        (body + b" ", headers),
        (body, {}),
        (other, signed),
        (b"no json", vendor.post("x", SECRET)[1]),
    ):
        with pytest.raises(ProviderError) as caught:
            provider.notified(bad_body, bad_headers)
        assert caught.value.code == "webhook_forged"


async def test_an_unknown_base_is_named_here_but_where_any_is_taken(kit: Kit) -> None:
    provider, _ = await kit.make("nebius")
    with pytest.raises(ProviderError):
        provider.base("Qwen/Qwen2.5-7B-Instruct")
    crusoe, _ = await kit.make("crusoe")
    assert crusoe.base("org/any").context == 8192


def test_openais_closing_dates() -> None:
    """[2, wind-down]"""
    from finetune.providers.profiles import profile

    dates = [(s.date, s.effect) for s in profile("openai").sunsets_of("gpt-4o-mini")]
    assert dates == [
        ("2026-05-07", "newcomers"), ("2026-07-02", "idle"), ("2027-01-06", "jobs"), ("2027-01-14", "models"),
    ]  # fmt: skip
    assert ("2026-10-23", "models") in [(s.date, s.effect) for s in profile("openai").sunsets_of("gpt-3.5-turbo")]


async def test_assumptions(kit: Kit) -> None:
    provider, vendor = await kit.make("nebius")
    await provider.submit(job_of(kit.folder, BASES["nebius"]), 1)
    assert {a.id: a.holds for a in await provider.assumptions()} == dict.fromkeys(
        ["OC1", "OC2", "OC3", "OC4", "OC5"], True
    )
    vendor.filters = vendor.lists_models = False
    found = {a.id: a.holds for a in await provider.assumptions()}
    assert (found["OC3"], found["OC5"]) == (False, False)


async def test_capabilities_and_prices(kit: Kit) -> None:
    provider, _ = await kit.make("nebius")
    found = capabilities(provider)
    assert (found.creates, found.deploys, found.checkpoints, found.events, found.webhook) == (True,) * 5
    assert not found.operated
    plan = await provider.plan(job_of(kit.folder, BASES["nebius"]))
    assert plan.price is not None
    assert plan.price.low <= plan.price.high
    assert (plan.price.currency, plan.terms and plan.terms.billing) == ("USD", "token")
    assert told("a", b="c") == "a?b=c"
