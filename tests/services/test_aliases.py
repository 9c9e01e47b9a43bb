"""Names beside the live model: given by a lead, talked to by everybody, moved and taken back each for itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.chat.content import AnswerState
from bot.services.access import Role
from storage.clock import now
from storage.repositories import conversations as turns
from storage.tables import Alias, Release, Turn
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, database_url: str) -> AsyncIterator[World]:
    found = World(tmp_path, model.endpoint, database=database_url)
    await found.start()
    yield found
    await found.stop()


async def two_models(world: World) -> Someone:
    """Ann leads; v1 and v2 are there, and nothing is live."""
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done, it is v1"))
    begun = len(world.trainings.started)
    await ann.says("/train")
    await world.chats.until(lambda: world.chats.text().count("label='Start'") == 1)
    await ann.presses("Start")
    await world.chats.until(lambda: len(world.trainings.started) > begun)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done, it is v2"))
    return ann


async def says(world: World, person: Someone, text: str, words: str) -> None:
    """Say it, and wait until these words stand there once more than before."""
    before = world.chats.text().count(words)
    await person.says(text)
    await world.chats.until(lambda: world.chats.text().count(words) > before)


async def talks_to(world: World, person: Someone) -> str:
    assert world.app is not None
    core = world.app.core
    async with core.database.transaction() as session:
        talk = await turns.at(session, "chats", person.id, "", "private")
    async with core.voices.live(talk.id) as voice:
        return voice.label


async def answered_by(world: World) -> list[str | None]:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        query = select(Turn.model).where(Turn.role == "assistant").order_by(Turn.id)
        return list(await session.scalars(query))


async def test_a_name_is_talked_to_moved_and_taken_back(world: World, model: ModelStandIn) -> None:
    ann = await two_models(world)
    ben = await world.joined("ben", Role.USER)
    await says(world, ben, "/try", "No model has a name")
    await says(world, ben, "/try @poet", "Nothing is called @poet")
    await says(world, ann, "/promote v1 @Poet because it rhymes", "@poet is teller (v1) from now on")
    assert await talks_to(world, ann) == await talks_to(world, ben) == "Small"
    await says(world, ben, "/try_poet", "Here you talk to @poet, which is teller (v1) now")
    assert (await talks_to(world, ben), await talks_to(world, ann)) == ("teller (v1)", "Small")

    # The name moves while an answer is under way: it ends on its old model, the next comes from the new one.
    model.hold = asyncio.Event()
    await ben.says("Should I go?")
    await model.spoke.wait()
    await says(world, ann, "/promote_v2 @poet it rhymes better", "@poet is teller (v2) from now on")
    model.hold.set()
    await world.chats.until(lambda: any(each.state is AnswerState.DONE for each in world.chats.answers()))
    model.hold = None
    await ben.says("And now?")
    await world.chats.until(lambda: sum(each.state is AnswerState.DONE for each in world.chats.answers()) == 2)
    assert await answered_by(world) == ["teller (v1)", "teller (v2)"]
    told = [page.note for page in world.chats.answers() if page.state is AnswerState.DONE]
    assert ["From here on teller (v2) answers" in note for note in told] == [False, True]

    # The live one moves for itself.
    await says(world, ann, "/promote v1 because", "everybody talks to teller (v1)")
    await says(world, ann, "/models", "@poet")
    assert "live" in world.chats.text()
    assert await talks_to(world, ben) == "teller (v2)"
    await world.stop()
    await world.start()
    ann, ben = world.someone("ann"), world.someone("ben")
    assert (await talks_to(world, ben), await talks_to(world, ann)) == ("teller (v2)", "teller (v1)")
    await says(world, ann, "/rollback @poet", "@poet is teller (v1) from now on")
    await says(world, ben, "/try off", "talk to what everybody talks to again")
    assert await talks_to(world, ben) == "teller (v1)"


async def test_the_first_of_a_name_taken_back_leaves_nothing(world: World) -> None:
    ann = await two_models(world)
    await says(world, ann, "/promote v2 @大师 because", "@大师 is teller (v2) from now on. /try @大师 talks to it")
    await says(world, ann, "/try @大师", "Here you talk to @大师")
    assert await talks_to(world, ann) == "teller (v2)"
    await says(world, ann, "/rollback @大师", "@大师 means nothing any more")
    assert await talks_to(world, ann) == "Small"
    await says(world, ann, "/try @大师", "Nothing is called @大师")
    await says(world, ann, "/try @alpha", "Nothing is called @alpha")
    await says(world, ann, "/rollback @nobody", "Nothing is called @nobody")
    await says(world, ann, "/rollback everything", "Nothing is called @everything")
    # What never was is not left behind as a row.
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        assert set(await session.scalars(select(Alias.name))) == {"大师"}


async def test_only_leads_name_and_only_trainers_try_versions(world: World) -> None:
    ann = await two_models(world)
    await says(world, ann, "/promote v1 @poet because", "@poet is teller (v1)")
    for name, role in (("ben", Role.USER), ("cat", Role.TRAINER)):
        person = await world.joined(name, role)
        for text in ("/promote v2 @poet because", "/rollback @poet", "/rollback_poet", "/promote v2 --canary 50% x"):
            await says(world, person, text, "tone=<Tone.ERROR")
        ack = await person.presses("Take it back")
        assert ack is not None
        assert ack.alert
        assert await talks_to(world, person) == "Small"
    await says(world, world.someone("ben"), "/try v2", "tone=<Tone.ERROR")
    assert await talks_to(world, world.someone("ben")) == "Small"
    await says(world, world.someone("cat"), "/try v2", "Here you talk to teller (v2)")
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        row = await session.get(Alias, "poet")
        assert row is not None
        assert row.former_id is None
    assert (await world.app.core.releases.named("poet")).version == 1


async def test_what_two_people_take_back_at_once_is_taken_back_once(world: World) -> None:
    ann = await two_models(world)
    ben = await world.joined("ben", Role.LEAD)
    await says(world, ann, "/promote v1 because", "everybody talks to teller (v1)")
    await says(world, ann, "/promote v2 because", "everybody talks to teller (v2)")
    before = world.chats.text().count("everybody talks to teller (v1)")
    await asyncio.gather(ann.says("/rollback"), ben.says("/rollback"))
    moved = "everybody talks to teller (v1)"
    await world.chats.until(lambda: world.chats.text().count(moved) > before and world.chats.shows("back just now"))
    assert world.chats.text().count(moved) == before + 1
    assert await talks_to(world, ann) == "teller (v1)"
    # Later it is meant.
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        await session.execute(update(Release).values(created_at=now() - timedelta(minutes=2)))
    await says(world, ben, "/rollback", "everybody talks to teller (v2)")


async def test_a_button_takes_back_what_its_card_tells(world: World) -> None:
    ann = await two_models(world)
    await says(world, ann, "/promote v1 because", "everybody talks to teller (v1)")
    await says(world, ann, "/promote v2 because", "everybody talks to teller (v2)")
    first, second = await asyncio.gather(ann.presses("Take it back"), ann.presses("Take it back"))
    assert first is not None
    assert second is not None
    assert sorted((first.alert, second.alert)) == [False, True]
    assert "v2" in (first.text + second.text)
    assert await talks_to(world, ann) == "teller (v1)"
    await says(world, ann, "/use_base", "talks to the untuned base")
    assert await talks_to(world, ann) == "Small"
    await ann.presses("Take it back")
    assert await talks_to(world, ann) == "teller (v1)"
