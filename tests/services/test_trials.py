"""Another model for one conversation, or for a share of them; taken back by itself when it does badly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.services.access import Role
from bot.services.trials import in_share
from storage.repositories import conversations as turns
from storage.repositories import feedback, models
from storage.repositories import trials as rows
from storage.tables import Canary
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, database_url: str) -> AsyncIterator[World]:
    found = World(tmp_path, model.endpoint, database=database_url)
    await found.start()
    yield found
    await found.stop()


async def trained(world: World) -> Someone:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done, it is v1"))
    return ann


async def talks_to(world: World, conversation_id: int) -> str:
    assert world.app is not None
    async with world.app.core.voices.live(conversation_id) as voice:
        return voice.label


async def talk(world: World, chat: str) -> int:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        return (await turns.at(session, "chats", chat, "", "private")).id


async def test_a_private_trial(world: World) -> None:
    ann = await trained(world)
    mine, other = await talk(world, "ann"), await talk(world, "ben")
    await ann.says("/try v1")
    await world.chats.until(lambda: "Here you talk to teller (v1)" in world.chats.text())
    assert (await talks_to(world, mine), await talks_to(world, other)) == ("teller (v1)", "Small")
    await ann.says("/try off")
    await world.chats.until(lambda: "talk to what everybody talks to again" in world.chats.text())
    assert await talks_to(world, mine) == "Small"


async def test_a_canary_goes_by_itself(world: World) -> None:
    ann = await trained(world)
    assert world.app is not None
    core = world.app.core
    await ann.says("/promote v1 —canary 40% because we try it")
    await world.chats.until(lambda: "40% of all conversations talk to teller (v1)" in world.chats.text())
    async with core.database.transaction() as session:
        canary = await rows.canary(session)
        assert canary is not None
        talks = [(await turns.at(session, "chats", f"c{n}", "", "private")).id for n in range(40)]
    inside = [each for each in talks if in_share(canary, each)]
    outside = [each for each in talks if not in_share(canary, each)]
    assert await talks_to(world, inside[0]) == "teller (v1)"
    assert await talks_to(world, outside[0]) == "Small"

    async def answers(conversation: int, count: int, state: str) -> list[int]:
        async with core.database.transaction() as session:
            made = [
                await turns.add(session, conversation, "assistant", "…", state, language="en") for _ in range(count)
            ]
        return [each.id for each in made]

    # What goes wrong elsewhere is not its fault, and two of twenty are no more than the bound.
    await answers(outside[0], 20, "failed")
    good = await answers(inside[0], 20, "done")
    await answers(inside[0], 2, "failed")
    assert await core.trials.look() is None
    async with core.database.transaction() as session:
        for answer in good[:5]:
            await feedback.rate(session, answer, 1, -1, "press")
    assert await core.trials.look() == "thumbs"
    assert await core.trials.look() is None
    assert await talks_to(world, inside[0]) == "Small"
    await world.chats.until(lambda: world.titles("canary of teller was taken back"))
    assert "5 of its 22 answers got a 👎" in world.chats.text()


async def test_a_canary_goes_for_errors_and_by_hand(world: World) -> None:
    ann = await trained(world)
    assert world.app is not None
    core = world.app.core
    await ann.says("/promote v1 --canary=99 because")
    await world.chats.until(lambda: "99% of all conversations" in world.chats.text())
    await ann.says("/rollback")
    await world.chats.until(lambda: "The canary ended" in world.chats.text())
    await ann.says("/promote v1 --canary 99% because")
    await world.chats.until(lambda: world.chats.text().count("99% of all conversations") == 2)
    async with core.database.transaction() as session:
        canary = await rows.canary(session)
        assert canary is not None
        place = next(
            each.id
            for each in [await turns.at(session, "chats", f"d{n}", "", "private") for n in range(9)]
            if in_share(canary, each.id)
        )
        for _ in range(3):
            await turns.add(session, place, "assistant", "", "failed", language="en")
    assert await core.trials.look() == "errors"
    await ann.says("/promote v1 --canary 0%")
    await world.chats.until(lambda: "1 % to 99 %" in world.chats.text())


def test_shares_are_what_they_say() -> None:
    canary = Canary(id=7, share=20)
    assert 0.17 < sum(in_share(canary, each) for each in range(5000)) / 5000 < 0.23


async def test_what_others_say_is_not_held_against_a_canary(world: World) -> None:
    ann = await trained(world)
    assert world.app is not None
    core = world.app.core
    await ann.says("/promote v1 --canary 99% because")
    await world.chats.until(lambda: "99% of all conversations" in world.chats.text())
    async with core.database.transaction() as session:
        canary = await rows.canary(session)
        model = await models.by_version(session, 1)
        assert canary is not None
        assert model is not None
        talks = [(await turns.at(session, "chats", f"t{n}", "", "private")).id for n in range(9)]
        trying, talking = [each for each in talks if in_share(canary, each)][:2]
        await rows.set_trial(session, trying, model.id)
        for _ in range(5):
            # One tries something by itself; one was still answered by the model before.
            await turns.add(session, trying, "assistant", "", "failed", language="en")
            await turns.add(session, talking, "assistant", "", "failed", language="en", model="Small")
    assert await core.trials.look() is None
    async with core.database.transaction() as session:
        for state in ("failed", "failed", "failed"):
            await turns.add(session, talking, "assistant", "", state, language="en", model="teller (v1)")
    assert await core.trials.look() == "errors"


async def test_shares_that_are_none_let_nobody_talk_to_it(world: World) -> None:
    ann = await trained(world)
    assert world.app is not None
    for share in ("0%", "100%", "150%", "-5%", "-5 %", "x", "", "20.5"):
        before = world.chats.text().count("1 % to 99 %")
        await ann.says(f"/promote v1 --canary {share}")
        await world.chats.until(lambda count=before: world.chats.text().count("1 % to 99 %") > count)  # type: ignore[misc]
    await ann.says("/promote v1 --cannary 20% because")
    await world.chats.until(lambda: "Did you mean --canary" in world.chats.text())
    await ann.says("/promote v1 @poet --canary 20%")
    await world.chats.until(lambda: "A canary is for what everybody talks to" in world.chats.text())
    assert await world.app.core.releases.live() is None
    assert await world.app.core.releases.aliases() == []
    async with world.app.core.database.transaction() as session:
        assert await rows.canary(session) is None
    # "20" is as good as 20%, and of two at once the later stands.
    ben = world.someone("ben")
    await ben.says(f"/start {await world.app.core.access.invite(Role.LEAD)}")
    await asyncio.gather(ann.says("/promote v1 --canary 20"), ben.says("/promote v1 --canary 30 x"))
    await world.chats.until(lambda: world.chats.text().count("of all conversations talk to teller (v1)") == 2)
    async with world.app.core.database.transaction() as session:
        canary = await rows.canary(session)
    assert canary is not None
    assert canary.share in (20, 30)
    # Everybody's model is no canary of itself; and taking back twice at once takes back the canary only.
    await ann.says("/promote v1 because")
    await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())
    await ann.says("/promote v1 --canary 20 because")
    await world.chats.until(lambda: "Everybody talks to v1 already" in world.chats.text())


async def test_two_leads_who_end_a_canary_at_once_end_only_that(world: World) -> None:
    ann = await trained(world)
    assert world.app is not None
    ben = world.someone("ben")
    await ben.says(f"/start {await world.app.core.access.invite(Role.LEAD)}")
    await ann.says("/promote v1 because")
    await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())
    async with world.app.core.database.transaction() as session:
        model = await models.by_version(session, 1)
        assert model is not None
        await rows.begin_canary(session, model.id, None, 20)
    await asyncio.gather(ann.says("/rollback"), ben.says("/rollback"))
    await world.chats.until(lambda: "The canary ended" in world.chats.text())
    await world.chats.until(lambda: "has taken it back just now" in world.chats.text())
    live = await world.app.core.releases.live()
    assert live is not None
    assert live.version == 1
