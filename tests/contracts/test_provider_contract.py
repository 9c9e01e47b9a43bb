"""What every provider keeps to, whoever it is: over its real wire format, on good days and on bad ones.

The walk of each through its stand-in is kept under ``tests/fixtures/walks`` as people can read it; with
``TUNETELLER_WALKS=write`` it is written anew.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import ranges
from finetune.providers.abilities import Assuming, capabilities
from finetune.providers.local import LocalProvider
from finetune.providers.profiles import names
from finetune.providers.provider import Provider
from tests.contracts.provider_worlds import VendorWorld, worlds
from tests.fakes.providers.standin import KEY, Trouble
from tests.finetune.providers.conftest import job_of

WALKS = Path(__file__).parents[1] / "fixtures" / "walks"
ALL = sorted(worlds(Path()))
TELLING = [name for name in ALL if worlds(Path())[name].tells]


class Here:
    """One vendor, and the process that asks it."""

    def __init__(self, world: VendorWorld, stack: AsyncExitStack) -> None:
        self.world = world
        self._stack = stack
        self.provider = self.restarted()
        self.job = job_of(world.folder, world.base)

    def restarted(self, key: str = KEY) -> Any:
        """As the next process makes it."""
        found = self.world.provider(key)
        self._stack.push_async_callback(found.close)
        return found


@pytest.fixture
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Here]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(worlds(tmp_path)[request.param].served())
        yield Here(world, stack)


def of(*which: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("here", which or ALL, indirect=True)


telling = pytest.mark.parametrize("here", TELLING, indirect=True)


def test_every_profile_has_a_world() -> None:
    assert set(ALL) == set(names())


@of()
async def test_it_satisfies_the_protocols(here: Here) -> None:
    provider = here.provider
    assert isinstance(provider, Provider)
    assert isinstance(provider, Assuming)
    check_description(provider)


def test_the_local_provider_satisfies_them_too(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    assert isinstance(provider, Provider)
    check_description(provider)
    able = capabilities(provider)
    assert able.resumes
    assert able.unsettable == ()


def check_description(provider: Provider) -> None:
    able = capabilities(provider)
    assert set(able.settable) | set(able.unsettable) - {"seed"} == set(ranges())
    assert not set(able.settable) & set(able.unsettable)
    assert able.parallel >= 1
    for name, narrowed in provider.ranges.items():
        assert ranges()[name].low <= narrowed.low <= narrowed.high <= ranges()[name].high
    assert len({base.id for base in provider.bases}) == len(provider.bases)


@of()
async def test_planning_starts_nothing(here: Here) -> None:
    plan = await here.provider.plan(here.job)
    assert plan.steps == 9
    assert not plan.free
    assert here.world.vendor.exchanges == []


@of()
async def test_the_same_attempt_is_one_job(here: Here) -> None:
    first = await here.provider.submit(here.job, 1)
    assert await here.provider.submit(here.job, 1) == first
    assert await here.restarted().submit(here.job, 1) == first
    assert here.world.count == 1


@telling
async def test_a_lost_answer_is_one_job(here: Here) -> None:
    vendor = here.world.vendor
    vendor.troubles, vendor.only, vendor.method = [Trouble.LOST], here.world.jobs_path, "POST"
    with pytest.raises(ProviderUnavailable):
        await here.provider.submit(here.job, 1)
    here.world.later()
    await here.restarted().submit(here.job, 1)
    assert here.world.count == 1


@of()
async def test_from_waiting_to_answering(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    before = await here.provider.status(handle)
    assert before.state in (JobState.QUEUED, JobState.AWAITING_OPERATOR)
    assert not before.lost
    here.world.finish()
    handle = here.world.agreed(here.provider, handle, here.job)
    here.world.later()
    await here.provider.status(handle)
    here.world.deployed()
    here.world.later()
    after = await here.provider.status(handle)
    assert after.state is JobState.SUCCEEDED
    assert after.model
    async with here.provider.endpoint(after.model) as endpoint:
        assert endpoint.api_key == KEY
        assert endpoint.model == after.model
        assert endpoint.base_url.startswith(here.world.vendor.base_url.rsplit("/v1", 1)[0])
    assert isinstance(await here.provider.log(handle), bytes)
    keep_walk(here)


def keep_walk(here: Here) -> None:
    """The traffic of that walk is the one in the fixture."""
    lines = json.dumps([found.as_json() for found in here.world.vendor.exchanges], indent=1, ensure_ascii=False)
    # What differs from run to run: the port, and the moments that a stand-in writes down.
    plain = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", lines)
    plain = re.sub(r'"finished_at": \d+', '"finished_at": 0', plain) + "\n"
    assert KEY not in plain
    file = WALKS / f"{here.provider.name}.json"
    if os.environ.get("TUNETELLER_WALKS") == "write":
        file.write_text(plain, "utf-8")
    assert file.read_text("utf-8") == plain


@telling
async def test_a_failure_is_told_in_the_providers_words(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.fail()
    found = await here.provider.status(handle)
    assert found.state is JobState.FAILED
    assert found.failure is not None
    assert "row 3 is bad" in str(found.failure.fields["reason"])


@telling
async def test_a_new_word_ends_nothing(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.word("running")
    assert (await here.provider.status(handle)).state is JobState.RUNNING
    here.world.word("reticulating")
    here.world.later()
    found = await here.provider.status(handle)
    assert (found.state, found.word) == (JobState.RUNNING, "reticulating")


@telling
async def test_going_back_is_told(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.word("running")
    await here.provider.status(handle)
    here.world.word("queued")
    here.world.later()
    assert (await here.provider.status(handle)).state is JobState.QUEUED


@telling
async def test_what_vanished_did_not_fail(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.vanish()
    with pytest.raises(ProviderUnavailable) as caught:
        await here.provider.status(handle)
    assert caught.value.code == "job_vanished"


@of()
async def test_cancelling_again_and_again(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    await here.provider.cancel(handle)
    await here.provider.cancel(handle)
    assert (await here.provider.status(handle)).state is JobState.CANCELLED


@pytest.mark.parametrize("trouble", list(Trouble))
@of()
async def test_a_bad_day_ends_nothing(here: Here, trouble: Trouble) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.finish()
    handle = here.world.agreed(here.provider, handle, here.job)
    here.world.vendor.troubles = [trouble, trouble]
    with suppress(ProviderUnavailable):
        assert not (await here.provider.status(handle)).state.ended
    here.world.vendor.troubles = []
    here.world.vendor.patience.set()
    for _ in range(3):
        here.world.later()
        with suppress(ProviderUnavailable):
            await here.provider.status(handle)
        here.world.deployed()
    here.world.later()
    assert (await here.provider.status(handle)).state is JobState.SUCCEEDED


@of()
async def test_a_key_that_is_refused_is_told_and_never_shown(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    here.world.finish()
    handle = here.world.agreed(here.provider, handle, here.job)
    stranger = here.restarted("sk-that-nobody-may-see")
    # A final no would be taken for the end of the job, and the key may be mended: any other error fails this test.
    with suppress(ProviderUnavailable):
        found = await stranger.status(handle)
        assert not found.state.ended
        assert "nobody-may-see" not in repr(found)
    reached = await stranger.reach()
    assert (reached.ready, reached.code) == (False, "provider_key")
    assert "nobody-may-see" not in repr(reached)
    assert [tried.holds for tried in await stranger.assumptions()] == [False]


@of()
async def test_it_is_asked_at_its_own_pace(here: Here) -> None:
    handle = await here.provider.submit(here.job, 1)
    await here.provider.status(handle)
    count = len(here.world.vendor.exchanges)
    for _ in range(5):
        await here.provider.status(handle)
    assert len(here.world.vendor.exchanges) == count


@of()
async def test_its_assumptions_hold_at_the_stand_in(here: Here) -> None:
    await here.provider.submit(here.job, 1)
    tried = await here.provider.assumptions()
    assert tried
    assert [found.id for found in tried if found.holds is False] == []
