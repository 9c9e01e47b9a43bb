"""Money: set aside in the transaction that makes the job, booked when it ends, never twice, never more than allowed."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.content import Fields
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import MessageRef, Place
from bot.services import money
from bot.services.access import Role
from bot.services.money import Amount
from finetune.errors import ProviderUnavailable
from finetune.providers.abilities import Cost
from finetune.providers.provider import FineTune, Plan, Price
from storage.repositories import outbox
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.fakes.provider import ScriptedProvider, Trainings
from tests.services.world import World


class PricedProvider(ScriptedProvider):
    """One that takes money: ``price`` for a run, None where it publishes none."""

    name = "priced"
    price: Price | None = Price(8.0, 10.0, "CNY", "https://example.org/prices", "2026-11-25")

    async def plan(self, job: FineTune) -> Plan:
        return replace(await super().plan(job), free=False, price=self.price)


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    trainings = Trainings()
    found = World(tmp_path, model.endpoint, others=lambda: {"priced": PricedProvider(trainings)})
    found.trainings = trainings
    await found.start()
    yield found
    await found.stop()


async def asked(world: World, person: Someone) -> Ack | None:
    """A training that costs up to 10 CNY is confirmed."""
    before = world.chats.text().count("label='Start'")
    await person.says("/train --provider priced")
    await world.chats.until(lambda: world.chats.text().count("label='Start'") > before)
    return await person.presses("Start")


async def settled(world: World) -> None:
    assert world.app is not None
    await world.app.operating.look()


async def test_set_aside_then_booked_as_assumed_then_told(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await asked(world, ann)
    await world.trainings.until_started(1)
    await ann.says("/usage")
    await world.chats.until(lambda: "('Set aside for open jobs', '10.00 CNY')" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await settled(world)
    await settled(world)
    await ann.says("/cost 1")
    await world.chats.until(lambda: "booked as 10.00 CNY by its estimate" in world.chats.text())
    await ann.says("/cost 1 ¥9.20")
    await world.chats.until(lambda: "Job 1 cost 9.20 CNY." in world.chats.text())
    await ann.says("/cost 1 9.3 CNY")
    await world.chats.until(lambda: "Job 1 cost 9.30 CNY." in world.chats.text())
    assert "Expected: 8.00 to 10.00 CNY (https://example.org/prices, 2026-11-25)" in world.chats.text()
    assert "1,234" in world.chats.text()
    await ann.says("/stats")
    await world.chats.until(lambda: world.titles("The team's usage"))
    (card,) = [card for card in world.chats.cards() if "The team's usage" in card.title]
    assert dict(card.blocks[0].rows)["Spent (known)"] == "9.30 CNY"  # type: ignore[union-attr]
    assert dict(card.blocks[0].rows)["Assumed by estimate"] == "none"  # type: ignore[union-attr]


async def test_more_than_the_budget_starts_nothing(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/budget team 15 CNY")
    await world.chats.until(lambda: "Team: 15.00 CNY" in world.chats.text())
    await asked(world, ann)
    await world.trainings.until_started(1)
    answer = await asked(world, ann)
    assert answer is not None
    assert "more than is left of the team's budget this month: 5.00 CNY of 15.00 CNY" in answer.text
    assert world.app is not None
    assert len(await world.app.core.training.listing()) == 1
    await ann.says("/budget team off CNY")
    await world.chats.until(lambda: "There are no budgets." in world.chats.text())


async def test_a_cancelled_job_that_never_began_costs_nothing(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await asked(world, ann)
    await world.trainings.until_started(1)
    await asked(world, ann)
    await world.chats.until(lambda: "Job 2" in world.chats.text())
    await ann.says("/cancel 2")
    await world.chats.until(lambda: world.titles("was cancelled") or world.titles("cancelled"))
    await settled(world)
    await ann.says("/usage")
    await world.chats.until(lambda: "('Set aside for open jobs', '10.00 CNY')" in world.chats.text())
    assert "('Assumed by estimate', 'none')" in world.chats.text()


@pytest.mark.parametrize("known", [True, False])
async def test_above_the_threshold_a_lead_approves(world: World, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no price is known: it may be above anything."""
    if not known:
        monkeypatch.setattr(PricedProvider, "price", None)
    ann = await world.owner()
    assert world.app is not None
    await ann.says("/budget approval 5 CNY")
    bob = world.someone("bob")
    await bob.says(f"/start {await world.app.core.access.invite(Role.TRAINER)}")
    await world.chats.until(lambda: world.chats.text().count("I am Tuneteller") == 2)
    await world.uploaded(bob)
    await asked(world, bob)
    await world.chats.until(lambda: "A lead has to approve this training: number 1" in world.chats.text())
    assert world.trainings.started == []
    await bob.says("/approve 1")
    await world.chats.until(lambda: "lead" in world.chats.text())
    assert world.trainings.started == []
    await ann.says("/approve")
    await world.chats.until(lambda: "label='Approve 1'" in world.chats.text())
    await ann.says("/approve 1")
    await world.trainings.until_started(1)
    await ann.says("/approve 1")
    await world.chats.until(lambda: "Ann has approved 1 already: /job_1" in world.chats.text())
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("Bob: teller is done"))
    assert len(world.trainings.started) == 1


async def test_a_lead_says_no(world: World) -> None:
    ann = await world.owner()
    assert world.app is not None
    await ann.says("/budget approval 5 CNY")
    bob = world.someone("bob")
    await bob.says(f"/start {await world.app.core.access.invite(Role.TRAINER)}")
    await world.chats.until(lambda: world.chats.text().count("I am Tuneteller") == 2)
    await world.uploaded(bob)
    await asked(world, bob)
    await world.chats.until(lambda: "number 1" in world.chats.text())
    await ann.says("/approve")
    await world.chats.until(lambda: "label='Refuse 1'" in world.chats.text())
    await ann.presses("Refuse 1")
    await world.chats.until(lambda: "did not approve this training" in world.chats.text())
    await ann.says("/approve 1")
    await world.chats.until(lambda: "Ann has refused 1 already" in world.chats.text())
    assert world.trainings.started == []


@pytest.mark.parametrize(
    ("text", "micros", "currency"),
    [
        ("12.50 CNY", 12_500_000, "CNY"),
        ("¥3", 3_000_000, "CNY"),
        ("usd 1,000", 1_000_000_000, "USD"),
        ("8元", 8_000_000, "CNY"),
    ],
)
def test_amounts(text: str, micros: int, currency: str) -> None:
    assert Amount.of(text) == Amount(micros, currency)


@pytest.mark.parametrize(
    "text", ["", "12", "CNY", "-1 CNY", "1e9 CNY", "nan CNY", "1 CNY 2", "1.1234567 CNY", "99999999 CNY"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(UserError):
        Amount.of(text)


async def test_the_estimate_learns_from_how_runs_came_out(world: World) -> None:
    """Three runs of 1,234 tokens where 3,300 were expected: the range follows, and the card says so."""
    ann = await world.owner()
    await world.uploaded(ann)
    for number in range(1, 4):
        await asked(world, ann)
        await world.trainings.until_started(number)
        world.trainings.finish()
        await world.chats.until(lambda: len(world.titles("is done")) == number)  # noqa: B023
    await ann.says("/train --provider priced --seed 7")
    await world.chats.until(lambda: "follows how 3 former runs came out" in world.chats.text())
    # The price as it is written for the whole range: 8 and 10 times 1234 / 3300.
    assert re.search(r"2\.99\d* to 3\.7[34]\d* CNY", world.chats.text())


class BillingProvider(PricedProvider):
    """One that tells what a job cost, once it knows."""

    bill: Price | None = Price(7.25, 7.25, "CNY", "the provider", "")
    silent = False

    async def cost(self, handle: str) -> Cost | None:
        if self.silent:
            raise ProviderUnavailable("provider_timeout", provider=self.name)
        return None if self.bill is None else Cost(self.bill.high, self.bill.currency)


@pytest.fixture
async def billed(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    trainings = Trainings()
    found = World(tmp_path, model.endpoint, others=lambda: {"priced": BillingProvider(trainings)})
    found.trainings = trainings
    await found.start()
    yield found
    await found.stop()


def done_facts(world: World) -> str:
    """What the notice of the end says of costs, as it is shown by now."""
    (card,) = [card for card in world.chats.cards() if "is done" in card.title]
    return next(value for block in card.blocks if isinstance(block, Fields) for name, value in block.rows if
                name == "Cost")  # fmt: skip


async def trained(world: World, person: Someone) -> None:
    await world.uploaded(person)
    await asked(world, person)
    await world.trainings.until_started(1)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))


async def test_the_done_card_says_what_the_provider_told_beside_what_was_expected(billed: World) -> None:
    await trained(billed, await billed.owner())
    assert done_facts(billed) == "7.25 CNY (expected: 8.00 to 10.00 CNY)"


async def test_the_done_card_says_that_the_provider_does_not_tell(
    world: World,
) -> None:
    ann = await world.owner()
    await trained(world, ann)
    assert (
        done_facts(world)
        == "the provider does not tell; booked as 10.00 CNY by its estimate (expected: 8.00 to 10.00 CNY)"
    )
    await ann.says("/cost 1 9.20 CNY")
    await world.chats.until(lambda: done_facts(world) == "9.20 CNY by the bill (expected: 8.00 to 10.00 CNY)")
    await ann.says("/job_1")
    await world.chats.until(lambda: world.chats.text().count("9.20 CNY by the bill") >= 3)


async def test_the_done_card_of_a_run_without_any_price(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PricedProvider, "price", None)
    await trained(world, await world.owner())
    assert done_facts(world) == "the provider does not tell (nothing was expected: no price is published)"


async def test_a_cost_that_is_told_late_comes_onto_the_card(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BillingProvider, "silent", True)
    await trained(billed, await billed.owner())
    assert done_facts(billed) == "not told yet (expected: 8.00 to 10.00 CNY)"
    monkeypatch.setattr(BillingProvider, "silent", False)
    await settled(billed)
    await billed.chats.until(lambda: done_facts(billed) == "7.25 CNY (expected: 8.00 to 10.00 CNY)")


async def test_a_cost_that_is_booked_while_the_notice_is_on_its_way(
    billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice had no message yet when it was booked: it is brought up to date when it arrives."""
    monkeypatch.setattr(BillingProvider, "silent", True)
    await trained(billed, await billed.owner())
    monkeypatch.setattr(BillingProvider, "silent", False)
    assert billed.app is not None
    async with billed.app.core.database.transaction() as session:
        row = await outbox.of(session, "job:1:done")
        assert row is not None
        assert row.message is not None
        ref, row.message = MessageRef(Place("chats", "ann"), row.message), None
    await settled(billed)
    assert done_facts(billed).startswith("not told yet")
    async with billed.app.core.database.transaction() as session:
        row = await outbox.of(session, "job:1:done")
        assert row is not None
        await money.arrived(session, row, ref)
    await billed.chats.until(lambda: done_facts(billed).startswith("7.25 CNY"))
