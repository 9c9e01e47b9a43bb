"""Mending, undoing and sharing through the chat."""

from pathlib import Path

import pytest

from bot.chat.content import Card
from bot.services.access import Role
from tests.fakes.platform import Someone
from tests.services.world import World, dataset

EXAMPLES = Path(__file__).parents[2] / "examples"
BAD = (EXAMPLES / "one_error_of_each_kind.jsonl").read_bytes()


def labels(world: World) -> list[str]:
    """The buttons of the newest card that has any."""
    card = next(card for card in reversed(world.chats.cards()) if card.buttons)
    return [button.label for row in card.buttons for button in row]


def facts(card: Card) -> str:
    return repr(card.blocks)


async def another(world: World, role: str = "trainer", name: str = "bob") -> Someone:
    """Somebody with a role."""
    assert world.app is not None
    code = await world.app.core.access.invite(Role.of(role))
    person = world.someone(name)
    before = len(world.chats.messages)
    await person.says(f"/start {code}")
    await world.chats.until(lambda: len(world.chats.messages) > before)
    return person


async def test_a_bad_file_is_mended_with_one_tap_and_undone(world: World) -> None:
    ann = await world.owner()
    await ann.sends("bad.jsonl", BAD)
    await world.chats.until(lambda: world.titles("cannot be trained on yet"))
    await ann.presses("Mend all, leave out the rest")
    await world.chats.until(lambda: world.titles("bad is ready as /ds_1"))
    assert "Version 2 was made" in world.chats.text()
    assert "roles renamed: 1" in world.chats.text()
    await ann.presses("What changed")
    await world.chats.until(lambda: world.titles("What changed in bad, version 2"))
    text = world.chats.cards()[-1].attachments[0].data.decode()
    assert "Line 18 · roles renamed\n- " in text
    assert "Line 3 · wrong rows left out\n- " in text
    await ann.presses("Undo")
    await world.chats.until(lambda: world.titles("bad (/ds_1) cannot be trained on yet"))
    await ann.says("/train 1")
    await world.chats.until(lambda: "still has errors" in world.chats.text())
    await ann.presses("Back to version 2")
    await world.chats.until(lambda: world.titles("bad is ready as /ds_1"))
    await ann.says("/train 1")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())


async def test_one_class_at_a_time_makes_a_version_each(world: World) -> None:
    ann = await world.owner()
    await ann.sends("bad.jsonl", BAD)
    await world.chats.until(lambda: world.titles("cannot be trained on yet"))
    assert "Role names (1)" in labels(world)
    await ann.presses("Role names (1)")
    await world.chats.until(lambda: world.titles("bad (/ds_1) cannot be trained on yet"))
    await ann.presses("Blank lines (1)")
    await world.chats.until(lambda: "Version 3 was made" in world.chats.text())
    assert world.app is not None
    me = await world.app.core.access.member(ann.account)
    held = await world.app.core.library.get(1, me)
    assert [each.version.number for each in await world.app.core.library.versions(held.dataset)] == [1, 2, 3]
    assert held.version.made_from == 2
    assert not held.trainable


async def test_the_same_mend_twice_is_one_version(world: World) -> None:
    ann = await world.owner()
    await ann.sends("bad.jsonl", BAD)
    await world.chats.until(lambda: world.titles("cannot be trained on yet"))
    number, button = ann.button("Mend all, leave out the rest")
    from bot.chat.events import Press
    from bot.chat.places import MessageRef

    for event in ("p-one", "p-two"):
        ref = MessageRef(ann.place, number)
        await ann.platform.hand_over(Press(event, ann.place, ann.account, ref, button.token))
    await world.chats.until(lambda: world.titles("bad is ready as /ds_1"))
    assert world.app is not None
    me = await world.app.core.access.member(ann.account)
    assert len(await world.app.core.library.listing(me)) == 1
    held = await world.app.core.library.get(1, me)
    assert [each.version.number for each in await world.app.core.library.versions(held.dataset)] == [1, 2]


async def test_mending_by_command(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/mend_1")
    await world.chats.until(lambda: world.titles("Mending teller"))
    await ann.says("/mend 1 all")
    await world.chats.until(lambda: "nothing to put right" in world.chats.text())
    await ann.says("/mend 1 nonsense")
    await world.chats.until(lambda: "is no mend" in world.chats.text())
    await ann.says("/mend 1 system You are a poet.")
    await world.chats.until(lambda: "given the system prompt: 12" in world.chats.text())
    assert world.app is not None
    held = await world.app.core.library.get(1, await world.app.core.access.member(ann.account))
    assert held.report.system_prompts == (("You are a poet.", 12),)
    await ann.says("/mend 1 system")
    await world.chats.until(lambda: "Say which system prompt" in world.chats.text())


async def test_personal_data_is_found_and_masked(world: World) -> None:
    ann = await world.owner()
    row = (
        b'{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Call 13812345678."}]}\n'
    )
    await ann.sends("people.jsonl", dataset() + row)
    await world.chats.until(lambda: "Mask personal data (1)" in world.chats.text())
    assert "phone numbers: 1" in world.chats.text()
    await ann.presses("Mask personal data (1)")
    await world.chats.until(lambda: "personal data masked: 1" in world.chats.text())
    assert world.app is not None
    library = world.app.core.library
    held = await library.get(1, await world.app.core.access.member(ann.account))
    assert b"13812345678" not in library.canonical(held.version).read_bytes()


async def test_a_card_is_measured_after_it_is_shown(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await world.chats.until(lambda: "being counted" not in facts(world.chats.cards()[-1]))
    assert world.app is not None
    held = await world.app.core.library.get(1, await world.app.core.access.member(ann.account))
    assert held.measures is not None
    assert held.measures.rows == 12
    assert "Standard" in world.chats.text()
    await ann.says("/ds_1")
    await world.chats.until(lambda: "label='Lengths'" in world.chats.text())
    await ann.presses("Lengths")
    await world.chats.until(lambda: world.titles("Lengths of teller"))
    (picture,) = world.chats.cards()[-1].attachments
    assert picture.data.startswith(b"\x89PNG")
    assert picture.alt


async def test_what_nobody_shared_is_seen_by_its_owner_only(world: World) -> None:
    ann = await world.owner()
    bob, cat = await another(world), await another(world, name="cat")
    await world.uploaded(bob)
    for words in ("/ds_1", "/train 1", "/mend 1 all", "/share 1 team"):
        before = len(world.chats.messages)
        await cat.says(words)
        await world.chats.more_than(before)
        assert "There is no dataset 1" in world.chats.text().splitlines()[-1] or "no dataset 1" in repr(
            world.chats.cards()[-1]
        )
    await cat.says("/datasets")
    await world.chats.until(lambda: "None yet" in world.chats.text())
    await ann.says("/ds_1")  # an admin sees everything
    await world.chats.until(lambda: len(world.titles("teller is ready as /ds_1")) >= 2)


async def test_sharing_gives_exactly_its_right(world: World) -> None:
    await world.owner()
    bob, cat = await another(world), await another(world, name="cat")
    await world.uploaded(bob)
    await bob.says("/share 1 @Cat read")
    await world.chats.until(lambda: "Cat: may read" in world.chats.text())
    await cat.says("/ds_1")
    await world.chats.until(lambda: len(world.titles("teller is ready as /ds_1")) >= 2)
    await cat.says("/train 1")
    await world.chats.until(lambda: "“train”" in world.chats.text())
    await bob.says("/share 1 team train")
    await world.chats.until(lambda: "the whole team: may read and train" in world.chats.text())
    await cat.says("/train 1")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    await cat.says("/mend 1 system Mine now.")
    await world.chats.until(lambda: "“edit”" in world.chats.text())
    await cat.says("/share 1 off")
    await world.chats.until(lambda: "somebody else's" in world.chats.text())
    await bob.says("/share 1 off")
    await world.chats.until(lambda: "Shared with nobody" in world.chats.text())
    await cat.presses("Start")
    assert world.trainings.started == []
    await bob.says("/share 1 @Nobody read")
    await world.chats.until(lambda: "Nobody here is called" in world.chats.text())


@pytest.mark.parametrize("pressed", ["What changed", "Undo", "Preview"])
async def test_buttons_of_a_dataset_are_not_for_strangers(world: World, pressed: str) -> None:
    await world.owner()
    bob, cat = await another(world), await another(world, name="cat")
    await bob.sends("bad.jsonl", BAD)
    await world.chats.until(lambda: world.titles("cannot be trained on yet"))
    await bob.presses("Mend all, leave out the rest")
    await world.chats.until(lambda: world.titles("bad is ready as /ds_1"))
    before = len(world.chats.messages)
    ack = await cat.presses(pressed)
    assert ack is not None
    assert "no dataset 1" in ack.text
    assert len(world.chats.messages) == before


async def test_deleting_says_what_depends(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/ds_1")
    await world.chats.until(lambda: "label='Delete'" in world.chats.text())
    await ann.presses("Delete")
    await world.chats.until(lambda: world.titles("Delete teller?"))
    assert "1 job was trained on it" in facts(world.chats.cards()[-1])


async def test_held_out_rows_are_kept_with_the_version(world: World) -> None:
    ann = await world.owner()
    await ann.sends("sample.jsonl", (EXAMPLES / "fortune_telling.jsonl").read_bytes())
    await world.chats.until(lambda: world.titles("sample is ready as /ds_1"))
    assert world.app is not None
    library = world.app.core.library
    held = await library.get(1, await world.app.core.access.member(ann.account))
    first = library.split(held.version, 0.1, 7)
    assert first.validation is not None
    assert (first.training_rows, first.validation_rows) == (144, 16)
    before = (first.training.stat().st_mtime_ns, first.validation.stat().st_mtime_ns)
    assert library.split(held.version, 0.1, 7) == first
    assert (first.training.stat().st_mtime_ns, first.validation.stat().st_mtime_ns) == before
    assert library.split(held.version, 0.1, 8).training != first.training


async def test_a_version_that_is_sent_again_is_current_again(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.says("/mend 1 system You are a poet.")
    await world.chats.until(lambda: "given the system prompt: 12" in world.chats.text())
    await ann.sends("teller.jsonl", dataset())
    await world.chats.until(lambda: "were here before: this is version 1" in world.chats.text())
    assert world.app is not None
    held = await world.app.core.library.get(1, await world.app.core.access.member(ann.account))
    assert held.version.number == 1
