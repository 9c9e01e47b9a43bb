"""What people say of answers, on its way to the next version of the dataset."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat.content import Card
from bot.services.access import Role
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, database_url: str) -> AsyncIterator[World]:
    """A bot on each kind of database."""
    found = World(tmp_path, model.endpoint, database=database_url)
    await found.start()
    yield found
    await found.stop()


async def answered(world: World, person: Someone, question: str) -> None:
    before = len(world.chats.answers())
    await person.says(question)
    await world.chats.until(lambda: len(world.chats.answers()) > before and world.chats.answers()[-1].buttons)
    await world.chats.until(lambda: any(b.label == "✏️" for row in world.chats.answers()[-1].buttons for b in row))


async def suggested(world: World, person: Someone, question: str, better: str) -> None:
    await answered(world, person, question)
    await person.presses("✏️")
    await world.chats.until(lambda: "Never mind" in world.chats.text())
    thanks = world.chats.text().count("Take it back")
    await person.says(better)
    await world.chats.until(lambda: world.chats.text().count("Take it back") > thanks)


def last(world: World) -> Card:
    return world.chats.cards()[-1]


async def test_from_a_better_answer_to_a_new_version(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await suggested(world, ann, "Shall I call +86 138 1234 5678?", "Write to me at ann@example.org, and wait.")
    await ann.says("/review")
    await world.chats.until(lambda: "Nothing waits for you" in world.chats.text())
    await ann.says("/contribute on")
    await world.chats.until(lambda: "Agreed:" in world.chats.text())
    await ann.says("/review")
    await world.chats.until(lambda: world.titles("To decide on: 1"))
    shown = str(last(world).blocks)
    assert "1234" not in shown
    assert "138****5678" in shown or "138" in shown
    assert "a***@example.org" in shown
    await ann.presses("Accept")
    await world.chats.until(lambda: len(world.titles("Nothing waits for you")) == 2)

    await ann.says("/train from-feedback")
    await world.chats.until(lambda: world.titles("has version 2"))
    card = next(card for card in world.chats.cards() if "has version 2" in card.title)
    assert "rows added: 1" in card.title
    assert "a***@example.org" in str(card.blocks)
    added = card.attachments[0].data.decode()
    assert "You tell fortunes." in added
    assert "ann@" not in added
    # The same once more adds nothing; the Train button proposes the new version.
    await ann.says("/train from-feedback")
    await world.chats.until(lambda: "Nothing was accepted" in world.chats.text())
    await ann.presses("Train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    await ann.says("/ds_1")
    await world.chats.until(lambda: "13 rows" in world.chats.text())


async def test_only_of_people_who_agreed(world: World) -> None:
    ann = await world.owner()
    assert world.app is not None
    ben = world.someone("ben")
    await ben.says(f"/start {await world.app.core.access.invite(Role.USER)}")
    await world.chats.until(lambda: len(world.titles("I am Tuneteller")) == 2)
    await suggested(world, ben, "Is it time?", "Not before noon.")
    await ann.says("/contribute on")
    await ann.says("/review")
    await world.chats.until(lambda: "Nothing waits for you" in world.chats.text())
    await ben.says("/contribute on")
    await world.chats.until(lambda: world.chats.text().count("Agreed:") == 2)
    await ann.says("/review")
    await world.chats.until(lambda: world.titles("To decide on: 1"))
    await ben.says("/contribute off")
    await world.chats.until(lambda: "Nothing that you say becomes training data" in world.chats.text())
    # Whoever takes their word back takes it back from a card that is shown already.
    ack = await ann.presses("Accept")
    assert ack is not None
    assert "It waits no longer" in ack.text


async def test_liked_answers_and_other_words(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/contribute on")
    await answered(world, ann, "Is it time?")
    await ann.presses("👍")
    await ann.says("/review")
    await world.chats.until(lambda: world.titles("To decide on: 1"))
    shown = str(last(world).blocks)
    assert "👍 1 · 👎 0" in shown
    key = shown.split("/review_")[1].split(" ")[0]
    await ann.says(f"/review_{key} The tea leaves settle by noon.")
    await world.chats.until(lambda: "text='Accepted'" in world.chats.text())
    await ann.says(f"/review_{key} Again.")
    await world.chats.until(lambda: "Somebody had decided on it" in world.chats.text())
    await ann.says("/train from_feedback")
    await world.chats.until(lambda: world.titles("has version 2"))
    assert "settle by noon" in str(next(card for card in world.chats.cards() if "has version 2" in card.title).blocks)
    # Forgetting takes the reviews with what they are of.
    await ann.says("/forget")
    await world.chats.until(lambda: world.titles("Delete"))
    await ann.presses(next(button.label for row in last(world).buttons for button in row))
    await world.chats.until(lambda: "were deleted" in world.chats.text())
