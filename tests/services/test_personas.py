"""The system prompt of a conversation: the trained one, another trained one, or one that it never saw."""

import json

from storage.repositories import people
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.test_talking import done
from tests.services.world import World

PROMPTS = ("You tell fortunes.", "You read the leaves.")


def two_prompts() -> bytes:
    rows = [
        {
            "messages": [
                {"role": "system", "content": PROMPTS[number % 5 == 0]},
                {"role": "user", "content": f"Should I take road number {number}?"},
                {"role": "assistant", "content": f"The leaves settle on the number {number}: take it slowly."},
            ]
        }
        for number in range(12)
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def trained(world: World) -> Someone:
    ann = await world.owner()
    await world.uploaded(ann, two_prompts())
    await ann.says("/train --yes")
    await world.trainings.until_started(1)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await ann.presses("Let everybody talk to it")
    return ann


async def asked(world: World, model: ModelStandIn, ann: Someone, count: int) -> str:
    await ann.says(f"question {count}")
    await world.chats.until(lambda: done(world, count))
    first = model.requests[-1]["messages"][0]
    return str(first["content"]) if first["role"] == "system" else ""


async def test_another_trained_prompt_another_one_and_back(world: World, model: ModelStandIn) -> None:
    ann = await trained(world)
    assert await asked(world, model, ann, 1) == PROMPTS[0]
    await ann.says("/persona 2")
    await world.chats.until(lambda: world.titles("is told to be"))
    assert "Differs from training" not in world.chats.text()
    assert await asked(world, model, ann, 2) == PROMPTS[1]
    await ann.says("/persona You are a pirate.")
    await world.chats.until(lambda: "Differs from training" in world.chats.text())
    assert await asked(world, model, ann, 3) == "You are a pirate."
    await ann.presses("Back to the trained one")
    assert await asked(world, model, ann, 4) == PROMPTS[0]


async def test_what_is_none_changes_nothing(world: World, model: ModelStandIn) -> None:
    ann = await trained(world)
    for words in ("/persona 3", "/persona 0", "/persona " + "x" * 4001):
        before = len(world.chats.messages)
        await ann.says(words)
        await world.chats.more_than(before)
    assert await asked(world, model, ann, 1) == PROMPTS[0]


async def test_the_base_has_none(world: World) -> None:
    ann = await world.owner()
    await ann.says("/persona")
    await world.chats.until(lambda: world.titles("untuned base"))


async def test_forget_takes_the_persona_and_the_choices(world: World, model: ModelStandIn) -> None:
    ann = await trained(world)
    await ann.says("/persona You are a pirate.")
    await world.chats.until(lambda: "Differs from training" in world.chats.text())
    assert await asked(world, model, ann, 1) == "You are a pirate."
    await ann.says("/settings quiet 22-8")
    await world.chats.until(lambda: "22:00" in world.chats.text())
    await ann.says("/forget")
    await world.chats.until(lambda: world.titles("Delete all"))
    await ann.presses("Delete all of it")
    assert await asked(world, model, ann, 2) == PROMPTS[0]
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        (person,) = [each for each in await people.everybody(session) if each.name == "Ann"]
    assert person.notify is None
