"""The life of a job, from the confirm card to the one notice, whatever dies in between."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.chat.errors import Throttled, Unavailable, Unconfirmed
from bot.chat.events import Press
from bot.chat.places import MessageRef
from finetune.errors import ProviderError
from storage.repositories import datasets, jobs
from storage.repositories.datasets import Content
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


async def test_one_tap_trains_and_one_message_tells(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.step(5)
    await world.chats.until(lambda: "Step 5 of 10" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert world.titles("is done") == ["Ann: teller is done, it is v1"]
    assert len(world.trainings.started) == 1
    assert "its loss fell from 3.00 to 1.00" in world.chats.text()


async def test_the_card_is_edited_in_place(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    count = len(world.chats.messages)
    for step in (1, 2, 3):
        world.trainings.step(step)
        shown = f"Step {step} of 10"
        await world.chats.until(partial(world.chats.shows, shown))
    assert len(world.chats.messages) == count


async def test_mere_progress_is_shown_as_rarely_as_the_platform_wants(tmp_path: Path, model: ModelStandIn) -> None:
    world = World(tmp_path, model.endpoint, progress=3600)
    await world.start()
    ann = await world.owner()
    await world.running(ann)
    world.trainings.step(5)
    assert world.app is not None
    await world.app.watch.look()
    await ann.says("/whoami")
    await world.chats.until(lambda: world.titles("This is you"))
    assert "Step 5 of 10" not in world.chats.text()
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("· done") and world.titles("is done"))
    await world.stop()


async def test_a_second_tap_starts_nothing(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    number, button = ann.button("Start")
    first, second = await asyncio.gather(
        press(world, ann, number, button.token), press(world, ann, number, button.token)
    )
    assert sorted([first, second]) == ["Already started: see /jobs", "Started"]
    await world.chats.until(lambda: world.trainings.started and "· training'" in world.chats.text())
    assert len(world.trainings.started) == 1


async def test_a_started_card_is_no_proposal_any_more(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    number, later = ann.button("Not now")
    _, other = ann.button("Quality")
    await ann.presses("Start")
    for button in (later, other):
        assert "started already" in await press(world, ann, number, button.token)
    await world.chats.until(lambda: world.titles("Job 1"))


async def press(world: World, person: Someone, number: str, token: str) -> str:
    assert world.platform is not None
    ref = MessageRef(person.place, number)
    ack = await world.platform.hand_over(
        Press(f"p{next(world.chats.numbers)}", person.place, person.account, ref, token)
    )
    return ack.text if ack else ""


async def test_a_killed_bot_finds_its_job_and_tells_once(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await world.kill()
    world.trainings.finish()
    await world.start()
    await world.chats.until(lambda: world.titles("is done"))
    await world.kill()
    await world.start()
    await world.chats.until(lambda: "done" in world.chats.text())
    assert len(world.titles("is done")) == 1
    assert len(world.trainings.started) == 1


async def test_a_submission_whose_reply_is_lost_is_not_started_twice(world: World) -> None:
    ann = await world.owner()
    world.trainings.lose_next_reply = True
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert len(world.trainings.started) == 1


async def test_a_dead_trainer_is_resumed_as_the_next_attempt(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.lose()
    await world.chats.until(lambda: "Attempt 2" in world.chats.text() or len(world.trainings.started) == 2)
    world.trainings.step(4)
    await world.chats.until(lambda: "Attempt 2" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert [attempt for _, attempt in world.trainings.started] == [1, 2]


async def test_a_trainer_that_always_dies_is_given_up_honestly(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    for attempt in (2, 3):
        world.trainings.lose()
        await world.trainings.until_started(attempt)
    world.trainings.lose()
    await world.chats.until(lambda: world.titles("failed"))
    assert len(world.trainings.started) == 3


async def test_failure_is_one_sentence_with_a_way_on(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.fail("out_of_memory")
    await world.chats.until(lambda: world.titles("Ann: job 1 (teller) failed"))
    card = next(card for card in world.chats.cards() if "failed" in card.title and card.rings)
    assert [button.label for row in card.buttons for button in row] == ["Try again", "Log"]
    assert "Traceback" not in repr(card)


async def test_a_refusal_ends_the_job_with_its_reason(world: World) -> None:
    ann = await world.owner()
    world.trainings.refuses = ProviderError("disk_full")
    await world.uploaded(ann)
    await ann.says("/train --yes")
    await world.chats.until(lambda: world.titles("failed"))
    assert "disk" in world.chats.text()


async def test_a_provider_that_does_not_answer_fails_nothing(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.silent = True
    assert world.app is not None
    await world.app.watch.look()
    await world.app.watch.look()
    world.trainings.silent = False
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))


async def test_others_wait_with_their_place(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: "1 job is before it" in world.chats.text())
    assert len(world.trainings.started) == 1
    world.trainings.finish()
    await world.chats.until(lambda: len(world.trainings.started) == 2 and "Job 2" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: len(world.titles("is done")) == 2)


async def test_cancel_says_so_at_once_and_ends_it(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    ack = await ann.presses("Cancel")
    assert ack is not None
    assert ack.text == "Cancelling …"
    await world.chats.until(lambda: world.titles("was cancelled"))
    assert len(world.trainings.cancelled) == 1


async def test_a_waiting_job_is_cancelled_before_it_began(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: "1 job is before it" in world.chats.text())
    await ann.says("/cancel_2")
    await world.chats.until(lambda: world.titles("job 2 (teller) was cancelled"))
    assert len(world.trainings.started) == 1


async def test_a_push_that_may_have_arrived_is_not_sent_again_but_the_card_tells(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.chats.after = [Unconfirmed()]
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("· done") and world.titles("is done"))
    await world.kill()
    await world.start()
    assert world.app is not None
    await world.app.watch.look()
    assert len(world.titles("is done")) == 1


@pytest.mark.parametrize("trouble", [Throttled(0.01), Unavailable()])
async def test_a_push_that_surely_did_not_arrive_is_sent_again(world: World, trouble: Exception) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.chats.troubles = [trouble]  # type: ignore[list-item]
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert len(world.titles("is done")) == 1


async def test_where_a_repeat_is_harmless_an_unclear_push_is_repeated(tmp_path: Path, model: ModelStandIn) -> None:
    world = World(tmp_path, model.endpoint, repeatable=True)
    await world.start()
    ann = await world.owner()
    await world.running(ann)
    world.chats.after = [Unconfirmed()]
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await world.stop()
    assert len(world.titles("is done")) == 1


async def test_the_log_has_our_life_of_the_job_and_the_providers(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/log_1")
    await world.chats.until(lambda: world.titles("Log of job 1"))
    data = world.chats.cards()[-1].attachments[0].data.decode()
    assert "queued" in data
    assert "log of job-" in data


async def test_rerun_asks_for_the_very_same(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train --epochs 4 --seed 7 --val 20% --yes")
    await world.chats.until(lambda: world.trainings.started)
    await ann.says("/rerun_1")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    await ann.presses("Start")
    world.trainings.finish()
    await world.chats.until(lambda: len(world.trainings.started) == 2)
    first, second = world.trainings.jobs.values()
    assert (first.hyperparameters, first.seed, first.training_file) == (
        second.hyperparameters,
        second.seed,
        second.training_file,
    )
    assert first.hyperparameters.epochs == 4


async def test_an_ended_job_is_stored_with_its_model(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert world.app is not None
    model = await world.app.core.releases.by_version(1)
    assert model.system_prompt == "You tell fortunes."
    assert model.sampling == {"temperature": 0.5, "max_tokens": 64}
    async with world.app.core.database.transaction() as session:
        assert [event.state for event in await jobs.events(session, 1)][-1] == "succeeded"


async def test_rerun_takes_the_version_of_then_and_may_start_at_once(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train --epochs 4 --seed 7 --yes")
    await world.trainings.until_started(1)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        first = await jobs.get(session, 1)
        assert first is not None
        # The dataset has gone on since: a newer version is the current one.
        dataset = await datasets.get(session, 1)
        assert dataset is not None
        _, version = await datasets.version(session, first.dataset_version_id)
        await datasets.add_version(session, dataset, Content("0" * 64, "0" * 64, "newer.jsonl", None, version.report))
    await ann.says("/rerun 1 --yes")
    await world.trainings.until_started(2)
    async with world.app.core.database.transaction() as session:
        second = await jobs.get(session, 2)
    assert second is not None
    for name in ("dataset_version_id", "data_digest", "seed", "hyperparameters", "base", "validation_share", "name"):
        assert getattr(first, name) == getattr(second, name)
    assert f"Seed 7 · data {first.data_digest[:12]}" in world.chats.text()


async def test_rerun_says_when_the_data_are_gone(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        dataset = await datasets.get(session, 1)
        assert dataset is not None
        await datasets.delete(session, dataset)
    await ann.says("/rerun_1")
    await world.chats.until(lambda: "was deleted" in world.chats.text())
    await ann.says("/rerun 1 --epochs 9")
    await world.chats.until(lambda: "takes its number and --yes only" in world.chats.text())
    assert len(world.trainings.started) == 1


async def test_a_failed_job_goes_on_as_its_next_attempt_and_tells_its_second_end(world: World) -> None:
    ann = await world.owner()
    world.trainings.checkpoint = 4
    await world.running(ann)
    world.trainings.fail("out_of_memory")
    await world.chats.until(lambda: world.titles("Ann: job 1 (teller) failed"))
    await ann.presses("Go on from the checkpoint")
    await world.trainings.until_started(2)
    assert [attempt for _, attempt in world.trainings.started] == [1, 2]
    assert len({key for key, _ in world.trainings.started}) == 1
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done") and world.titles("Job 1 · teller · done"))
    assert len(world.titles("is done")) == 1
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        states = [(event.state, event.attempt) for event in await jobs.events(session, 1)]
    assert ("failed", 1) in states
    assert ("queued", 2) in states
    assert states[-1] == ("succeeded", 2)


async def test_resume_twice_starts_one_attempt(world: World) -> None:
    ann = await world.owner()
    world.trainings.checkpoint = 4
    await world.running(ann)
    world.trainings.fail("out_of_memory")
    await world.chats.until(lambda: world.titles("Ann: job 1 (teller) failed"))
    number, button = ann.button("Go on from the checkpoint")
    await asyncio.gather(press(world, ann, number, button.token), ann.says("/resume 1"))
    await world.chats.until(lambda: "has not ended" in world.chats.text() or len(world.trainings.started) == 2)
    await world.trainings.until_started(2)
    assert world.app is not None
    await world.app.watch.look()
    assert [attempt for _, attempt in world.trainings.started] == [1, 2]


async def test_resume_is_honest_where_there_is_nothing_to_go_on_from(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/resume_1")
    await world.chats.until(lambda: "Job 1 has not ended" in world.chats.text())
    world.trainings.fail("out_of_memory")
    await world.chats.until(lambda: world.titles("Ann: job 1 (teller) failed"))
    await ann.says("/resume_1")
    await world.chats.until(lambda: "left no checkpoint" in world.chats.text())
    assert len(world.trainings.started) == 1


async def test_a_silent_job_is_shown_as_silent_and_never_as_failed(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    for key, status in world.trainings.statuses.items():
        world.trainings.statuses[key] = replace(status, heartbeat_age=3 * 3600.0)
    await world.chats.until(lambda: "No sign of life for 3.0 h" in world.chats.text())
    await ann.says("/jobs")
    await world.chats.until(lambda: "silent for 3.0 h" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert not world.titles("failed")


async def test_a_provider_that_stops_answering_is_logged_once_and_once_when_it_is_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: "1 job is before it" in world.chats.text())
    assert world.app is not None
    caplog.set_level("INFO", "bot.services.watch")
    world.trainings.silent = True
    for _ in range(5):
        await world.app.watch.look()
    world.trainings.silent = False
    for _ in range(5):
        await world.app.watch.look()
    told = [record.getMessage() for record in caplog.records if "answer" in record.getMessage()]
    assert [line.split(" (")[0] for line in told] == [
        "provider scripted does not answer",
        "provider scripted answers again",
    ]


async def test_a_job_that_waits_for_its_place_does_not_keep_the_watcher_busy(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: "1 job is before it" in world.chats.text())
    assert world.app is not None
    world.app.watch._period = 60.0
    await world.app.watch.look()
    assert await world.app.watch._look("scripted", None) > 1


async def test_an_upload_holds_up_neither_the_news_nor_the_cancelling_of_other_jobs(
    tmp_path: Path, model: ModelStandIn
) -> None:
    world = World(tmp_path, model.endpoint, at_once=2)
    await world.start()
    ann = await world.owner()
    await world.running(ann)
    world.trainings.uploaded = asyncio.Event()
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: world.titles("Job 2"))
    world.trainings.step(5)
    await world.chats.until(lambda: "Step 5 of 10" in world.chats.text())
    await ann.says("/cancel_1")
    await world.chats.until(lambda: world.titles("· cancelled"))
    assert len(world.trainings.started) == 1
    world.trainings.uploaded.set()
    await world.trainings.until_started(2)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert len(world.trainings.started) == 2
    await world.stop()


async def test_a_process_that_ends_does_not_wait_for_an_upload_and_the_next_one_goes_on(
    tmp_path: Path, model: ModelStandIn
) -> None:
    world = World(tmp_path, model.endpoint)
    await world.start()
    ann = await world.owner()
    await world.uploaded(ann)
    world.trainings.uploaded = asyncio.Event()
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: world.titles("Job 1"))
    async with asyncio.timeout(60):
        await world.stop()
    world.trainings.uploaded = None
    await world.start()
    await world.trainings.until_started(1)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    assert len(world.trainings.started) == 1
    await world.stop()
