"""Files that come in: judged, kept once, refused with reasons, never half-stored."""

from pathlib import Path

import pytest

from bot.chat.errors import PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished
from finetune.providers.local import LocalProvider
from tests.services.world import World, dataset

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_a_good_file_becomes_a_dataset(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    card = world.chats.cards()[-1]
    assert card.title == "teller is ready as /ds_1"
    assert "12 rows, 12 turns" in repr(card)


async def test_a_bad_file_gets_its_findings_and_changes_nothing(world: World) -> None:
    ann = await world.owner()
    await ann.sends("bad.jsonl", (EXAMPLES / "one_error_of_each_kind.jsonl").read_bytes())
    await world.chats.until(lambda: world.titles("cannot be trained on yet") and world.titles("All findings"))
    assert "Line 3 · R1" in world.chats.text()
    findings = world.chats.cards()[-1].attachments[0].data.decode()
    assert all(f"· R{number} ·" in findings for number in range(1, 8))
    await ann.says("/datasets")
    await world.chats.until(lambda: "None yet" in world.chats.text())


async def test_the_tutorials_shape_is_converted(world: World) -> None:
    ann = await world.owner()
    await ann.sends("all_details.json", (EXAMPLES / "all_details.json").read_bytes())
    await world.chats.until(lambda: world.titles("can be read in more than one way"))
    assert world.app is not None
    me = await world.app.core.access.member(ann.account)
    assert await world.app.core.library.listing(me) == []
    await ann.presses("1. Without the reasoning")
    await world.chats.until(lambda: world.titles("is ready as"))
    held = await world.app.core.library.get(1, me)
    line = world.app.core.library.canonical(held.version).read_text("utf-8").splitlines()[0]
    assert "你是位精通八字算命" in line
    assert "Complex_CoT" not in line


async def test_the_same_bytes_twice_are_one_dataset(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.sends("again.jsonl", dataset())
    await world.chats.until(lambda: "were here before" in world.chats.text())
    assert world.titles("/ds_2") == []


async def test_a_command_under_a_file_is_about_that_file(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.sends("other.jsonl", dataset(14))
    await world.chats.until(lambda: world.titles("is ready as /ds_2"))
    # It was here before, so it is not the newest.
    await ann.sends("again.jsonl", dataset(), "/train --epochs 2")
    await world.chats.until(lambda: world.titles("teller · Standard"))
    await ann.sends("third.jsonl", dataset(16), "/train 2")
    await world.chats.until(lambda: world.titles("is ready as /ds_3") and world.titles("other · Standard"))


async def test_a_command_under_a_file_that_is_not_ready_is_not_done(world: World) -> None:
    """Least of all with the dataset before it."""
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.sends("bad.jsonl", (EXAMPLES / "one_error_of_each_kind.jsonl").read_bytes(), "/train --yes")
    await world.chats.until(lambda: "/train was not done" in world.chats.text())
    assert world.trainings.started == []
    await ann.sends("two.jsonl", dataset(14), "what do you think?")
    await world.chats.until(lambda: world.titles("is ready as /ds_2"))


async def test_too_large_is_said_before_the_download(world: World) -> None:
    ann = await world.owner()
    await ann.sends("huge.jsonl", b"x" * 1_000_001)
    await world.chats.until(lambda: "larger than 1 MB" in world.chats.text())


async def test_a_file_that_is_gone_is_told(world: World) -> None:
    ann = await world.owner()
    original = world.chats.files
    world.chats.files = type("Gone", (dict,), {"__contains__": lambda self, key: False})(original)
    await ann.sends("x.jsonl", dataset())
    await world.chats.until(lambda: "not there any more" in world.chats.text())


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Refused(), "larger than"),
        (Vanished(), "not there any more"),
        (Unavailable(), "could not be fetched"),
        (Unconfirmed(), "could not be fetched"),
        (Throttled(5), "could not be fetched"),
    ],
)
async def test_a_broken_download_is_told_on_its_card(world: World, trouble: PlatformError, words: str) -> None:
    ann = await world.owner()
    world.chats.downloads = [trouble]
    await ann.sends("x.jsonl", dataset())
    await world.chats.until(lambda: words in world.chats.text())
    assert world.titles("Reading") == []


async def test_what_is_no_dataset_is_refused_with_a_reason(world: World) -> None:
    ann = await world.owner()
    await ann.sends("picture.bin", b"\x89PNG\r\n\x1a\n" + b"\x00" * 500)
    await world.chats.until(lambda: world.chats.cards()[-1].tone == "error")
    assert world.titles("is ready as") == []


async def test_a_file_that_was_being_read_at_the_kill_is_read_after_it(world: World) -> None:
    ann = await world.owner()
    await ann.sends("teller.jsonl", dataset())
    await world.kill()
    await world.start()
    await world.chats.until(lambda: world.titles("is ready as /ds_1"))
    assert len(world.titles("is ready as")) == 1


async def test_preview_turns_its_pages_in_place(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.presses("Preview")
    await world.chats.until(lambda: world.titles("example 1 of 12"))
    count = len(world.chats.messages)
    await ann.presses("Next")
    await world.chats.until(lambda: world.titles("example 2 of 12"))
    assert len(world.chats.messages) == count
    assert "road number 1" in world.chats.text()


@pytest.mark.local
async def test_a_huge_row_is_previewed_without_its_tokens(world: World, tmp_path: Path) -> None:
    """They take a tokenizer seconds in which nobody else is answered."""
    assert world.app is not None
    training = world.app.core.training
    training.providers = {"local": LocalProvider(tmp_path)}
    question = {"role": "user", "content": "Should I?"}
    usual = await training.pieces([question, {"role": "assistant", "content": "Wait."}])
    assert usual is not None
    assert "Wait." in "".join(piece.text for piece in usual)
    assert await training.pieces([question, {"role": "assistant", "content": "Wait. " * 100_000}]) is None


async def test_delete_asks_first_and_tells_what_depends_on_it(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/ds_1")
    await world.chats.until(lambda: "Delete" in world.chats.text())
    await ann.presses("Delete")
    await world.chats.until(lambda: world.titles("Delete teller?"))
    await ann.presses("Delete")
    await world.chats.until(lambda: world.titles("teller was deleted"))
    assert "1 job was trained on it" in world.chats.text()
    await ann.says("/ds_1")
    await world.chats.until(lambda: "no dataset 1" in world.chats.text())
