"""People who tap twice, tap what is not theirs, and tap what is long gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.chat.events import Press
from bot.chat.places import MessageRef, PlaceKind
from bot.services.access import Role
from storage.tables import Conversation, Release, Vote
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.test_proof import card_with, speaks, trained
from tests.services.world import World


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    model.reply = speaks
    found = World(tmp_path, model.endpoint, questions=20, judge=True)
    await found.start()
    yield found
    await found.stop()


async def kept(world: World, of: type[Vote | Release]) -> int:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(of)) or 0


async def test_buttons_under_a_verdict_and_a_pair(world: World, model: ModelStandIn) -> None:
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    ben, cat = await world.joined("ben", Role.TRAINER), await world.joined("cat", Role.USER)
    # The verdict's own buttons: each asks who presses.
    for person, label in ((ben, "Promote"), (cat, "Promote"), (cat, "Compare blind")):
        ack = await person.presses(label)
        assert ack is not None
        assert ack.alert, (person.id, label)
    judged = next(b.label for row in card_with(world, "passed its gates").buttons for b in row if "judge" in b.label)  # type: ignore[union-attr]
    ack = await ben.presses(judged)
    assert ack is not None
    assert ack.alert
    assert not any(body["model"] == "judge" for body in model.requests)
    # A lead who taps five times spends once, and promotes once.
    acks = await asyncio.gather(*(ann.presses(judged) for _ in range(5)))
    assert len({ack.text for ack in acks if ack}) == 2
    await world.chats.until(lambda: len(world.titles("passed its gates")) == 2, 60)
    assert sum(body["model"] == "judge" for body in model.requests) == 28
    await asyncio.gather(*(ann.presses("Promote") for _ in range(5)))
    assert await kept(world, Release) == 1

    # A pair is whoever asked for it: another's tap counts for nobody, a double one once.
    await ann.says("/compare v1")
    await world.chats.until(lambda: world.titles("1 of 7"))
    foreign = await ben.presses("A")
    assert foreign is not None
    assert foreign.alert
    assert await kept(world, Vote) == 0
    number, button = ann.button("A")
    ref = MessageRef(ann.place, number)

    async def tap(event: str) -> None:
        await ann.platform.hand_over(Press(event, ann.place, ann.account, ref, button.token))

    await asyncio.gather(*(tap(f"t{n}") for n in range(4)))
    await world.chats.until(lambda: world.titles("2 of 7"))
    assert await kept(world, Vote) == 1
    assert world.titles("3 of 7") == []
    # The card shows the second pair by now; the first one's button is history.
    await tap("late")
    assert await kept(world, Vote) == 1


async def test_a_persona_that_is_none(world: World) -> None:
    await world.owner()
    assert world.app is not None
    cat = await world.joined("cat", Role.USER)
    for text in ("/persona " + "x" * 4001, "/persona 7", "/persona 0"):
        before = len(world.chats.messages)
        await cat.says(text)
        await world.chats.more_than(before)
        assert "tone=<Tone.ERROR" in repr(world.chats.cards()[-1])
    group = Someone(cat.platform, "cat", "en", "room", PlaceKind.GROUP)
    before = len(world.chats.messages)
    await group.says("/persona You are rude.")
    await world.chats.more_than(before)
    before = len(world.chats.messages)
    await group.says("/try @poet")
    await world.chats.more_than(before)
    async with world.app.core.database.transaction() as session:
        assert [talk.persona for talk in await session.scalars(select(Conversation))] in ([None, None], [None] * 3)
    # What no text can hold is left out, and the rest is kept.
    await cat.says("/persona You are \x00 kind.")
    await world.chats.until(
        lambda: "differs from training" in world.chats.text().lower() or "kind." in world.chats.text()
    )
    assert not world.titles("Something went wrong")
