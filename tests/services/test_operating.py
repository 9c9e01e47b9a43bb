"""Jobs that a person operates, through the chat: handed over once, bound, tried, told; deployed only when agreed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.locales import translator
from bot.services import operating
from bot.services.access import Role
from finetune.providers.dashscope import DashScopeProvider
from finetune.providers.profiles import profile
from finetune.providers.provider import Provider, Sunset
from finetune.providers.siliconflow import SiliconFlowProvider
from storage.clock import now
from storage.repositories import jobs
from storage.tables import Job
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.fakes.providers.dashscope import DashScopeStandIn
from tests.fakes.providers.siliconflow import SiliconFlowStandIn
from tests.fakes.providers.standin import KEY, served
from tests.finetune.images.samples import good
from tests.services.test_images import zipped
from tests.services.world import World


class Vendors:
    """The outside world of these tests."""

    def __init__(self, siliconflow: SiliconFlowStandIn, dashscope: DashScopeStandIn, folder: Path) -> None:
        self.siliconflow = siliconflow
        self.dashscope = dashscope
        self._folder = folder
        self.made: list[SiliconFlowProvider | DashScopeProvider] = []

    def providers(self) -> Mapping[str, Provider]:
        """As a starting bot makes them; asked as often as the watcher looks."""
        first = SiliconFlowProvider(KEY, base_url=self.siliconflow.base_url, seconds=0)
        second = DashScopeProvider(KEY, self._folder / "notes", base_url=self.dashscope.base_url, seconds=0)
        self.made += [first, second]
        return {"siliconflow": first, "dashscope": second}


@pytest.fixture
async def vendors(tmp_path: Path) -> AsyncIterator[Vendors]:
    async with AsyncExitStack() as stack:
        siliconflow = await stack.enter_async_context(served(SiliconFlowStandIn(), "/v1"))
        dashscope = await stack.enter_async_context(served(DashScopeStandIn()))
        found = Vendors(siliconflow, dashscope, tmp_path)
        yield found
        for provider in found.made:
            await provider.close()


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, vendors: Vendors) -> AsyncIterator[World]:
    found = World(tmp_path, model.endpoint, others=vendors.providers)
    await found.start()
    yield found
    await found.stop()


async def started(world: World, line: str, words: str = "") -> Someone:
    """Somebody whose job waits for them."""
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says(line)
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    assert words in world.chats.text()
    await ann.presses("Start")
    return ann


async def look(world: World) -> None:
    """What the loop does every few seconds."""
    assert world.app is not None
    await world.app.operating.look()


async def job_of(world: World) -> Job:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        found = await jobs.get(session, 1)
    assert found is not None
    return found


def bound(task: str) -> str:
    return f"ft:LoRA/Qwen/Qwen2.5-7B-Instruct:cm1abcdefg:{task}:npwivjtfynnfhuzijmzb"


async def handed_over(world: World) -> tuple[Someone, str]:
    ann = await started(world, "/train --provider siliconflow --base 7b")
    await world.chats.until(lambda: world.titles("waiting for an operator"))
    await look(world)
    await world.chats.until(lambda: world.titles("to be started in the console"))
    handle = (await job_of(world)).handle or ""
    task = handle.partition("task=")[2]
    return ann, task


async def test_the_card_says_what_siliconflow_cannot_do(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train --provider siliconflow --base 7b")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    text = world.chats.text()
    assert "does not let one set: Seed" in text
    assert "no public interface that starts a training" in text
    assert "the provider publishes no price" in text
    assert "--provider siliconflow" in text


async def test_handed_over_once_with_everything(world: World) -> None:
    _, task = await handed_over(world)
    (card,) = [card for card in world.chats.cards() if "to be started in the console" in card.title]
    assert [file.name for file in card.attachments] == ["train.jsonl", "val.jsonl"]
    assert card.attachments[0].data.count(b"\n") == 11
    assert ("Learning Rate", "0.0001") in card.blocks[1].rows  # type: ignore[union-attr]
    assert task in world.chats.text()
    await look(world)
    await world.kill()
    await world.start()
    await look(world)
    await look(world)
    assert len(world.titles("to be started in the console")) == 1


async def test_bound_tried_and_told(world: World, vendors: Vendors) -> None:
    ann, task = await handed_over(world)
    await ann.presses("I pressed start there")
    await world.chats.until(lambda: world.titles("· training"))
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: "knows no such model (20012)" in world.chats.text())
    assert not world.titles("is done")
    vendors.siliconflow.models.add(bound(task))
    await world.chats.until(lambda: world.titles("is done"))
    assert bound(task) in world.chats.text()


async def test_a_wrong_id_changes_nothing(world: World) -> None:
    ann, _ = await handed_over(world)
    before = (await job_of(world)).handle
    await ann.says("/bind 1 ft:LoRA/Qwen/Qwen2.5-7B-Instruct:a:b_tt9999999999:abc")
    await world.chats.until(lambda: "carries another job's tag" in world.chats.text())
    await ann.says("/bind 1")
    await world.chats.until(lambda: "Like this: /bind 12" in world.chats.text())
    assert (await job_of(world)).handle == before


async def test_what_was_bound_survives_a_power_cut(world: World, vendors: Vendors) -> None:
    ann, task = await handed_over(world)
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: world.titles("id is noted"))
    await world.kill()
    vendors.siliconflow.models.add(bound(task))
    await world.start()
    await world.chats.until(lambda: world.titles("is done"))


async def test_reminded_after_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await handed_over(world)
    monkeypatch.setattr(operating, "REMIND_AFTER", timedelta(0))
    await look(world)
    await world.chats.until(lambda: world.titles("has waited for a day"))
    await look(world)
    assert len(world.titles("has waited for a day")) == 1


async def test_who_did_not_ask_may_not_bind(world: World) -> None:
    _, task = await handed_over(world)
    assert world.app is not None
    code = await world.app.core.access.invite(Role.TRAINER)
    bob = world.someone("bob")
    await bob.says(f"/start {code}")
    await bob.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: "is somebody else's" in world.chats.text())
    assert "model=" not in ((await job_of(world)).handle or "")


async def test_dashscope_is_deployed_only_when_somebody_agreed(world: World, vendors: Vendors) -> None:
    ann = await started(world, "/train --provider dashscope --base 14b", "billed by the token")
    await world.chats.until(lambda: "says: PENDING" in world.chats.text())
    vendors.dashscope.finish()
    await world.chats.until(lambda: world.titles("waiting for an operator"))
    await look(world)
    await world.chats.until(lambda: world.titles("waits for its deployment"))
    assert vendors.dashscope.deployments == {}
    await ann.presses("Agree and deploy")
    await world.chats.until(lambda: vendors.dashscope.deployments)
    for found in vendors.dashscope.deployments.values():
        found["status"] = "RUNNING"
    await world.chats.until(lambda: world.titles("is done"))
    assert len(vendors.dashscope.deployments) == 1


async def test_providers_tells_who_is_there(world: World, vendors: Vendors) -> None:
    ann = await world.owner()
    await ann.says("/providers")
    await world.chats.until(lambda: world.titles("Who trains"))
    text = world.chats.text()
    assert "SiliconFlow (--provider siliconflow): reachable" in text
    assert "cannot be set: Seed" in text
    assert KEY not in text


async def test_pictures_are_handed_over_bound_and_drawn_with(world: World, vendors: Vendors) -> None:
    ann = await world.owner()
    await ann.sends("cats.zip", zipped(good(3)))
    await world.chats.until(lambda: "/ds_1" in world.chats.text())
    await ann.says("/train 1 --trigger ohwx --repeats 10")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    text = world.chats.text()
    assert "ended it on 2025-02-27" in text
    assert "/ds_1: 3 images" in text
    await ann.presses("Start")
    await world.chats.until(lambda: world.titles("waiting for an operator"))
    await look(world)
    await world.chats.until(lambda: world.titles("to be started in the console"))
    (card,) = [card for card in world.chats.cards() if "to be started in the console" in card.title]
    assert [file.name for file in card.attachments] == ["images.zip"]
    labels = [label for label, _ in card.blocks[1].rows]  # type: ignore[union-attr]
    assert labels[2:5] == ["Trigger Word", "Number of Repeats", "Learning Rate"]
    assert "Max Tokens" not in labels
    task = ((await job_of(world)).handle or "").partition("task=")[2]
    model = f"ft:LoRA/black-forest-labs/FLUX.1-dev:cm1:{task}:npwivjtfynnfhuzijmzb"
    vendors.siliconflow.models.add(model)
    await ann.says(f"/bind 1 {model}")
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/draw a cat in the rain")
    await world.chats.until(lambda: world.titles("cats (v1)"))
    (picture,) = [card for card in world.chats.cards() if card.title == "cats (v1)"]
    assert picture.attachments[0].media_type == "image/png"
    await ann.says("/rerun 1")
    await world.chats.until(
        lambda: world.chats.text().count("/ds_1: 3 images") == 1 and world.titles("cats · Standard")
    )
    await ann.says("/use v1")
    await world.chats.until(lambda: "draws and cannot talk" in world.chats.text())
    await ann.says("hello")
    await world.chats.until(lambda: "label='Answer again'" in world.chats.text())


async def test_a_text_is_not_trained_on_what_draws(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/train --provider siliconflow --base black-forest-labs/FLUX.1-dev")
    await world.chats.until(lambda: "is trained on a dataset of images" in world.chats.text())


async def test_the_whole_loop_with_talking_and_its_cost(world: World, vendors: Vendors) -> None:
    """System prompt and sampling travel with the model to the provider's endpoint."""
    ann, task = await handed_over(world)
    vendors.siliconflow.models.add(bound(task))
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/use v1")
    await ann.says("Shall I go?")
    await world.chats.until(lambda: "The leaves settle." in world.chats.text())
    asked = [found.sent for found in vendors.siliconflow.exchanges if found.sent and found.sent.get("stream")][-1]
    assert asked["model"] == bound(task)
    assert asked["max_tokens"] == 4096
    assert asked["messages"][0] == {"role": "system", "content": "You tell fortunes."}
    await look(world)
    await ann.says("/cost 1")
    await world.chats.until(lambda: "What job 1 cost is not known." in world.chats.text())
    await ann.says("/cost 1 12.50 CNY")
    await world.chats.until(lambda: "Job 1 cost 12.50 CNY." in world.chats.text())


async def test_a_model_whose_evaluation_would_cost_money_needs_it_or_a_reason(
    tmp_path: Path, model: ModelStandIn, vendors: Vendors
) -> None:
    world = World(tmp_path, model.endpoint, others=vendors.providers, questions=8)
    await world.start()
    ann, task = await handed_over(world)
    vendors.siliconflow.models.add(bound(task))
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/report v1")
    await world.chats.until(lambda: "label='Evaluate" in world.chats.text())
    await ann.says("/use v1")
    await world.chats.until(lambda: "was not evaluated" in world.chats.text())
    await ann.says("/promote v1 because we read its answers")
    await world.chats.until(lambda: "teller (v1)" in world.chats.text())
    await world.stop()


async def test_a_model_that_is_gone_is_named_so(world: World, vendors: Vendors) -> None:
    """[1.11] 400 with code 20012 in the middle of talking."""
    ann, task = await handed_over(world)
    vendors.siliconflow.models.add(bound(task))
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/use v1")
    vendors.siliconflow.models.clear()
    before = world.chats.text()
    await ann.says("Shall I go?")
    t = translator("en")
    await world.chats.until(lambda: t("talk.error.model_missing") in world.chats.text().replace(before, ""))


async def test_people_are_told_before_their_model_is_shut(world: World, vendors: Vendors) -> None:
    ann, task = await handed_over(world)
    vendors.siliconflow.models.add(bound(task))
    await ann.says(f"/bind 1 {bound(task)}")
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/use v1")
    await world.chats.until(lambda: "teller (v1)" in world.chats.text())
    soon = (now().date() + timedelta(days=10)).isoformat()
    known = profile("siliconflow")
    announced = Sunset(soon, "models", "Qwen/.*", "https://example.org/ends")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operating, "profile", lambda _: replace(known, sunsets=(announced,)))
        await look(world)
        await look(world)
    await world.chats.until(lambda: world.titles("the live model will be shut"))
    assert len(world.titles("the live model will be shut")) == 1
    await ann.presses("Train at Alibaba Bailian (DashScope)")
    await world.chats.until(lambda: "--provider dashscope" in world.chats.text())


async def test_what_is_told_at_the_same_moment_is_all_kept(world: World, vendors: Vendors) -> None:
    """Started and bound at once, by two people: neither is lost, nobody has to say it again."""
    ann, task = await handed_over(world)
    assert world.app is not None
    member = await world.app.core.access.member(ann.account)
    vendors.siliconflow.models.add(bound(task))
    await asyncio.gather(
        world.app.operating.started(1, member),
        world.app.operating.bind(1, bound(task), member),
        world.app.operating.bind(1, f"{bound(task)}-ckpt_step_9", member),
    )
    await world.chats.until(lambda: world.titles("is done"))
    handle = (await job_of(world)).handle or ""
    assert bound(task) in handle.replace("%3A", ":").replace("%2F", "/")
