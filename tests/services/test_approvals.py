"""Runs that wait for a lead: told to leads once, decided once by another person, the outcome shown to everybody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.chat.content import Button, Card
from bot.chat.events import Ack, Press
from bot.chat.places import MessageRef, PlaceKind
from bot.services import approvals
from bot.services.access import Role
from storage.repositories import outbox
from storage.tables import Approval, OutboxRow
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.fakes.provider import Trainings
from tests.services.test_money import PricedProvider, asked
from tests.services.test_talking import done
from tests.services.world import World


@pytest.fixture
async def make(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[Callable[..., World]]:
    trainings = Trainings()
    found: list[World] = []

    def make(*, two_people: bool = False, database: str | None = None) -> World:
        world = World(
            tmp_path,
            model.endpoint,
            others=lambda: {"priced": PricedProvider(trainings)},
            two_people=two_people,
            database=database,
        )
        world.trainings = trainings
        found.append(world)
        return world

    yield make
    for world in found:
        await world.stop()


@pytest.fixture
async def world(make: Callable[..., World]) -> World:
    found = make()
    await found.start()
    return found


def notices(world: World, chat: str, words: str = "asks for approval 1") -> list[Card]:
    """The cards in a chat with these words in their title."""
    return [
        content
        for number, content in world.chats.messages.items()
        if isinstance(content, Card) and world.chats.places[number].chat == chat and words in content.title
    ]


def offered(world: World, chat: str, label: str) -> tuple[MessageRef, Button]:
    """The newest button with this label in a chat."""
    for number, content in reversed(world.chats.messages.items()):
        for button in (button for row in content.buttons for button in row):
            if button.label == label and world.chats.places[number].chat == chat:
                return MessageRef(world.chats.places[number], number), button
    raise AssertionError(f"no {label!r} in {chat}; the chats say:\n{world.chats.text()}")


async def press(world: World, person: Someone, at: tuple[MessageRef, Button], event: str) -> Ack | None:
    """A press of exactly this button, whatever its message shows by now."""
    return await person.platform.hand_over(Press(event, at[0].place, person.account, at[0], at[1].token))


async def team(world: World, *leads: str) -> tuple[Someone, Someone]:
    """Ann, who owns it, and Bob, who trains; a run above 5 CNY needs a lead."""
    ann = await world.owner()
    await ann.says("/budget approval 5 CNY")
    await world.chats.until(lambda: "Above 5.00 CNY" in world.chats.text())
    bob = await world.joined("bob", Role.TRAINER)
    for name in leads:
        await world.joined(name, Role.LEAD)
    await world.uploaded(bob)
    return ann, bob


async def test_leads_are_told_and_the_asker_is_told_the_outcome(world: World) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    assert "number 1. Ann were told" in world.chats.text()
    (card,) = notices(world, "ann")
    assert "up to 10.00 CNY" in str(card)
    await ann.presses("Approve 1")
    await world.trainings.until_started(1)
    await world.chats.until(lambda: notices(world, "bob", "Bob: approval 1"))
    assert "Ann approved it: /job_1" in str(notices(world, "bob", "Bob: approval 1"))
    await world.chats.until(lambda: "Ann approved it" in str(notices(world, "ann")))
    assert not notices(world, "ann")[0].buttons
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("Bob: teller is done"))


async def test_a_lead_declines_and_the_asker_is_told(world: World) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    await ann.presses("Refuse 1")
    await world.chats.until(lambda: len(notices(world, "bob", "Bob: approval 1")) == 2)
    assert "Ann did not approve this training" in str(notices(world, "bob", "Bob: approval 1"))
    assert world.trainings.started == []


async def test_nobody_decides_on_their_own(world: World) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    approve, refuse = offered(world, "ann", "Approve 1"), offered(world, "ann", "Refuse 1")
    assert world.app is not None
    access = world.app.core.access
    await access.grant(2, Role.LEAD, await access.member(ann.account))
    for number, button in enumerate((approve, refuse)):
        answer = await press(world, bob, button, f"own-{number}")
        assert answer is not None
        assert "Approval 1 is your own" in answer.text
    await bob.says("/approve 1")
    await world.chats.until(lambda: world.chats.text().count("Approval 1 is your own") == 1)
    assert world.trainings.started == []
    await bob.says("/approve")
    await world.chats.until(lambda: notices(world, "bob", "Waiting for approval"))
    assert not notices(world, "bob", "Waiting for approval")[0].buttons


async def test_who_may_not_lead_is_refused_by_the_server(world: World) -> None:
    _, bob = await team(world)
    dan = await world.joined("dan", Role.TRAINER)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    for label in ("Approve 1", "Refuse 1"):
        answer = await press(world, dan, offered(world, "ann", label), f"dan-{label}")
        assert answer is not None
        assert answer.alert
        assert "lead" in answer.text
    assert world.trainings.started == []


async def test_of_many_leads_the_first_decides_and_the_others_read_who_it_was(world: World) -> None:
    ann, bob = await team(world, "cid")
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann") and notices(world, "cid"))
    old = offered(world, "cid", "Refuse 1")
    cid = world.someone("cid")
    await press(world, ann, offered(world, "ann", "Approve 1"), "first")
    answer = await press(world, cid, old, "second")
    assert answer is not None
    assert "Ann has approved 1 already: /job_1" in answer.text
    await world.chats.until(lambda: "Ann approved it: /job_1" in str(notices(world, "cid")))
    assert not notices(world, "cid")[0].buttons
    await world.trainings.until_started(1)


async def test_of_two_decisions_at_once_one_counts(make: Callable[..., World], database_url: str) -> None:
    """On both databases."""
    world = make(database=database_url)
    await world.start()
    ann, bob = await team(world, "cid")
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann") and notices(world, "cid"))
    cid = world.someone("cid")
    answers = await asyncio.gather(
        press(world, ann, offered(world, "ann", "Approve 1"), "yes"),
        press(world, cid, offered(world, "cid", "Refuse 1"), "no"),
    )
    assert world.app is not None
    row, _, decider = await world.app._approvals.get(1)
    started = await world.app.core.training.listing()
    if row.state == "approved":
        assert (decider, [job.id for job in started]) == ("Ann", [row.job_id])
    else:
        assert (row.state, decider, started) == ("refused", "Cid", [])
    assert sum(answer is not None and answer.alert for answer in answers) == 1


async def test_leads_in_the_group_are_told_there_together(world: World) -> None:
    ann, bob = await team(world, "cid", "eve")
    cid = world.someone("cid")
    for count, person in enumerate((ann, cid), 1):
        person.chat, person.kind = "team", PlaceKind.GROUP
        await person.says(f"{person.id} is here")
        await world.chats.until(lambda: done(world, count))  # noqa: B023
    bob.chat, bob.kind = "team", PlaceKind.GROUP
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "team") and notices(world, "eve"))
    assert len(notices(world, "team")) == 1
    assert (notices(world, "ann"), notices(world, "cid")) == ([], [])
    assert "number 1. Ann, Cid, Eve were told" in world.chats.text()
    eve = world.someone("eve")
    eve.chat, eve.kind = "team", PlaceKind.GROUP
    await eve.says("eve is here, too")
    await world.chats.until(lambda: done(world, 3))
    assert world.app is not None
    await world.app.operating.look()
    async with world.app.core.database.transaction() as session:
        keys = {row.key for row in await outbox.about(session, "approval:1:lead:")}
    assert keys == {"approval:1:lead:group", "approval:1:lead:4"}, "nobody is told a second time"
    await press(world, cid, offered(world, "team", "Approve 1"), "in-the-group")
    await world.chats.until(lambda: "Cid approved it" in str(notices(world, "team")))


async def test_without_another_lead_it_is_said_and_a_new_lead_is_told(make: Callable[..., World]) -> None:
    """With two people wanted, the only admin cannot approve their own either."""
    world = make(two_people=True)
    await world.start()
    ann = await world.owner()
    await ann.says("/budget approval 5 CNY")
    await world.uploaded(ann)
    await asked(world, ann)
    await world.chats.until(lambda: "I know no other lead whom I could tell" in world.chats.text())
    assert world.trainings.started == []
    cid = await world.joined("cid", Role.LEAD)
    assert world.app is not None
    await world.app.operating.look()
    await world.app.operating.look()
    await world.chats.until(lambda: notices(world, "cid"))
    await cid.presses("Approve 1")
    await world.trainings.until_started(1)
    assert len(notices(world, "cid")) == 1


async def test_a_restart_between_asking_and_telling_tells_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notice is stored with the fact; whoever starts next sends it."""
    ann, bob = await team(world)
    assert world.app is not None
    sending = asyncio.Event()

    async def never(_row: OutboxRow) -> None:
        sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.app._notices, "_send", never)
    await asked(world, bob)
    await asyncio.wait_for(sending.wait(), 20)
    await world.kill()
    assert notices(world, "ann") == []
    await world.start()
    await world.chats.until(lambda: notices(world, "ann"))
    assert world.app is not None
    await world.app.operating.look()
    assert world.platform is not None
    ann.platform = world.platform
    await ann.presses("Approve 1")
    await world.trainings.until_started(1)
    assert len(notices(world, "ann")) == 1


async def test_a_death_in_the_approval_leaves_both_or_neither(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    button = offered(world, "ann", "Approve 1")

    async def dies(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(approvals, "_show_decided", dies)
        with contextlib.suppress(asyncio.CancelledError):
            await press(world, ann, button, "cut-off")
    assert world.app is not None
    assert await world.app.core.training.listing() == []
    assert (await world.app._approvals.get(1))[0].state == "pending"
    await press(world, ann, button, "again")
    await world.trainings.until_started(1)


async def test_what_was_taken_back_cannot_be_approved(world: World) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    button = offered(world, "ann", "Approve 1")
    answer = await press(world, ann, offered(world, "bob", "Take back"), "not-hers")
    assert answer is not None
    assert "Only whoever asked for 1" in answer.text
    await bob.presses("Take back")
    await world.chats.until(lambda: "Bob took it back" in str(notices(world, "ann")))
    answer = await press(world, ann, button, "late")
    assert answer is not None
    assert "Bob took 1 back. Nothing was started." in answer.text
    assert world.trainings.started == []


async def test_an_approval_after_the_job_was_cancelled_starts_nothing(world: World) -> None:
    ann, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    button = offered(world, "ann", "Approve 1")
    await press(world, ann, button, "first")
    await world.trainings.until_started(1)
    await bob.says("/cancel 1")
    await world.chats.until(lambda: world.titles("was cancelled"))
    answer = await press(world, ann, button, "late")
    assert answer is not None
    assert "Ann has approved 1 already" in answer.text
    assert len(world.trainings.started) == 1


async def test_quiet_hours_and_the_chosen_place_hold(world: World) -> None:
    """A notice that still waits when it was decided is not sent any more."""
    ann, bob = await team(world, "cid")
    await ann.says("/settings quiet 0-23:59")
    await world.chats.until(lambda: "0:00" in world.chats.text())
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "cid"))
    await press(world, world.someone("cid"), offered(world, "cid", "Refuse 1"), "no")
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        rows = list(await session.scalars(select(OutboxRow).where(OutboxRow.key == "approval:1:lead:1")))
    assert [row.state for row in rows] == ["withdrawn"]
    assert notices(world, "ann") == []


async def test_decided_while_a_notice_was_on_its_way(world: World) -> None:
    """The message that arrives then is brought up to date."""
    _, bob = await team(world)
    await asked(world, bob)
    await world.chats.until(lambda: notices(world, "ann"))
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        row = await session.get_one(Approval, 1)
        row.state, row.decided_by = "withdrawn", 2
        sent = (await session.scalars(select(OutboxRow).where(OutboxRow.key == "approval:1:lead:1"))).one()
        await approvals.arrived(session, sent, offered(world, "ann", "Approve 1")[0])
    await world.chats.until(lambda: "Bob took it back" in str(notices(world, "ann")))
