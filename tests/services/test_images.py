"""Image sets: a .zip, pictures sent one by one, what can be done with a set, and who may."""

import asyncio
import io
import zipfile

import pytest
from sqlalchemy import select

from bot.chat.content import AttachmentKind, Card, Content, Items
from bot.chat.events import Press
from bot.chat.places import MessageRef, PlaceKind
from bot.services.access import Role
from finetune.images import Report
from storage.tables import Album
from tests.fakes.platform import Someone
from tests.finetune.images.samples import CAPTION, drawn, encoded, good
from tests.services.world import World, dataset


def small(seed: int) -> bytes:
    """A picture of few bytes."""
    return encoded(drawn(64, 64, seed), "PNG")


def zipped(files: dict[str, bytes]) -> bytes:
    """A .zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def sheets(world: World) -> list[Card]:
    """Messages with a contact sheet."""
    return [
        card
        for card in world.chats.cards()
        if any(one.kind is AttachmentKind.PICTURE and one.name.startswith("images-") for one in card.attachments)
    ]


async def listing(world: World, person: Someone) -> list[str]:
    """Names of a person's image datasets."""
    assert world.app is not None
    me = await world.app.core.access.member(person.account)
    return [held.dataset.name for held in await world.app.core.images.listing(me)]


async def collected(world: World, person: Someone, count: int = 3) -> None:
    """Pictures that were sent one by one."""
    for number in range(count):
        await person.sends(f"{number}.png", small(number))
    await world.chats.until(lambda: world.titles(f"{count} pictures so far"))


async def trainer(world: World, owner: Someone, name: str = "bob") -> Someone:
    """Somebody else who may train."""
    assert world.app is not None
    code = await world.app.core.access.invite(Role.TRAINER)
    bob = world.someone(name)
    before = len(world.chats.messages)
    await bob.says(f"/start {code}")
    await world.chats.until(lambda: len(world.chats.messages) > before)
    return bob


async def says(world: World, person: Someone, text: str) -> str:
    """The answer to a line."""
    before = len(world.chats.messages)
    await person.says(text)
    await world.chats.until(lambda: len(world.chats.messages) > before)
    return repr(list(world.chats.messages.values())[-1])


async def test_a_good_zip_becomes_a_dataset(world: World) -> None:
    ann = await world.owner()
    await ann.sends("totoro.zip", zipped(good(10)))
    await world.chats.until(lambda: sheets(world))
    assert world.titles("totoro is ready as /ds_1")
    assert sheets(world)[0].attachments[0].data.startswith(b"\x89PNG")
    assert world.app is not None
    me = await world.app.core.access.member(ann.account)
    found, version = await world.app.core.library.find(1, me)
    assert found.kind == "images"
    report = Report.from_json(version.report)
    assert (report.images_total, report.captions, report.ok) == (10, 10, True)
    with zipfile.ZipFile(world.app.core.files.path(version.canonical_digest)) as archive:
        assert archive.namelist()[:2] == ["001.jpg", "001.txt"]
        assert archive.read("001.txt").decode() == CAPTION


async def test_a_zip_is_recognised_by_its_content(world: World) -> None:
    ann = await world.owner()
    await ann.sends("whatever.bin", zipped({f"{n}.png": small(n) for n in range(3)}))
    await world.chats.until(lambda: world.titles("whatever is ready as /ds_1"))
    await ann.sends("text.zip", zipped({"teller.jsonl": dataset()}))
    await world.chats.until(lambda: world.titles("text is ready as /ds_2"))
    assert await listing(world, ann) == ["whatever"]


async def test_a_bad_zip_keeps_nothing_and_tells_everything(world: World) -> None:
    ann = await world.owner()
    files = {f"{number}.png": small(number)[:-30] for number in range(12)}
    await ann.sends("bad.zip", zipped(files))
    await world.chats.until(lambda: sheets(world))
    (bad,) = [card for card in world.chats.cards() if "cannot be trained on yet" in card.title]
    assert "Nothing was kept" in repr(bad)
    assert bad.buttons == ()
    (told,) = [card for card in world.chats.cards() if card.title.startswith("All findings")]
    text = told.attachments[0].data.decode()
    assert all(f"Image {number}, {number - 1}.png" in text for number in range(1, 13))
    assert await listing(world, ann) == []


async def test_the_same_zip_twice_is_one_dataset(world: World) -> None:
    ann = await world.owner()
    data = zipped({f"{n}.png": small(n) for n in range(3)})
    await ann.sends("a.zip", data)
    await world.chats.until(lambda: sheets(world))
    await ann.sends("b.zip", data)
    await world.chats.until(lambda: "were here before" in world.chats.text())
    assert world.titles("/ds_2") == []


async def test_a_zip_without_a_readable_picture_is_refused(world: World) -> None:
    ann = await world.owner()
    data = zipped({"1.png": small(1)})
    await ann.sends("cut.zip", data[: len(data) // 2])
    await world.chats.until(lambda: world.chats.cards()[-1].tone == "error")
    assert await listing(world, ann) == []


async def test_a_picture_that_cannot_be_collected_says_what_can(world: World) -> None:
    ann = await world.owner()
    await ann.sends("moving.gif", encoded(drawn(64, 64), "GIF"))
    await world.chats.until(lambda: "JPEG, PNG or WebP pictures as files" in world.chats.text())


async def test_pictures_sent_one_by_one_stand_on_one_card(world: World) -> None:
    ann = await world.owner()
    before = len(world.chats.messages)
    await collected(world, ann)
    await ann.sends("1.txt", b"a cat")
    await world.chats.until(lambda: "Captions: 1" in world.chats.text())
    await ann.sends("again.png", small(1))
    await ann.sends_all({"3.png": small(3), "4.png": small(4), "4.txt": b"a cat"})
    await world.chats.until(lambda: world.titles("5 pictures so far") and "Captions: 2" in world.chats.text())
    assert len(world.chats.messages) == before + 1
    await ann.presses("Done")
    await world.chats.until(lambda: sheets(world))
    assert world.titles("is ready as /ds_1")
    assert "2 of 5" in world.chats.text()


async def test_a_card_is_edited_only_where_something_changed(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    platform = world.platform
    assert platform is not None
    edit, edited = platform.edit, []

    async def counted(ref: MessageRef, content: Content) -> None:
        edited.append(content)
        await edit(ref, content)

    platform.edit = counted  # type: ignore[method-assign]
    # The second file's card comes only when the set's card was seen to.
    await ann.sends_all({"0.png": small(0), "teller.jsonl": dataset()})
    await world.chats.until(lambda: world.titles("teller is ready as"))
    assert [card.title for card in edited if isinstance(card, Card) and "so far" in card.title] == []


async def test_a_caption_of_the_same_name_takes_the_others_place(world: World) -> None:
    ann = await world.owner()
    await ann.sends_all({"1.png": small(1), "1.txt": b"a dog"})
    await world.chats.until(lambda: "Captions: 1" in world.chats.text())
    await ann.sends("1.txt", b"a blue cat")
    await world.chats.until(lambda: world.titles("1 picture so far") and "Captions: 1 · 1" in world.chats.text())
    await world.stop()
    await world.start()
    await ann_in(world).presses("Done")
    await world.chats.until(lambda: sheets(world))
    assert world.app is not None
    held = (await world.app.core.images.listing(await world.app.core.access.member(ann.account)))[0]
    assert [image.caption for image in held.report.images] == ["a blue cat"]


def ann_in(world: World) -> Someone:
    """The same person after a restart of the bot."""
    return world.someone("ann")


async def test_pictures_that_are_all_called_the_same_are_all_kept(world: World) -> None:
    ann = await world.owner()
    for number in range(3):
        await ann.sends("image.png", small(number))
    await world.chats.until(lambda: world.titles("3 pictures so far"))
    await ann.presses("Done")
    await world.chats.until(lambda: sheets(world))
    assert world.app is not None
    held = (await world.app.core.images.listing(await world.app.core.access.member(ann.account)))[0]
    assert sorted(image.file for image in held.report.images) == ["image (2).png", "image (3).png", "image.png"]


async def noted(world: World) -> None:
    """It is stored which message shows the set: a process that dies before that leaves a copy behind."""
    assert world.app is not None
    async with asyncio.timeout(20):
        while True:
            async with world.app.core.database.transaction() as session:
                if await session.scalar(select(Album.card_message)) is not None:
                    return
            await asyncio.sleep(0.01)  # a row has no event


async def test_a_set_survives_a_kill(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    await noted(world)
    await ann.sends("late.png", small(7))
    await world.kill()
    await world.start()
    await world.chats.until(lambda: world.titles("4 pictures so far"))
    ann = ann_in(world)
    await ann.sends("after.png", small(8))
    await world.chats.until(lambda: world.titles("5 pictures so far"))
    assert len(world.titles("so far")) == 1
    await ann.presses("Done")
    await world.chats.until(lambda: world.titles("is ready as /ds_1"))


async def test_done_twice_is_harmless(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    number, button = ann.button("Done")
    assert world.platform is not None
    ref = MessageRef(ann.place, number)
    for press in ("p1", "p2"):
        ack = await world.platform.hand_over(Press(press, ann.place, ann.account, ref, button.token))
        assert ack is not None
        assert ack.text == "It is /ds_1"
    assert len(await listing(world, ann)) == 1
    assert len(sheets(world)) == 1
    # Nor does a Discard on a copy of the card touch what it became.
    assert world.app is not None
    assert await world.app._albums._sets.discard(1) is False
    assert len(await listing(world, ann)) == 1


async def test_the_same_pictures_again_are_the_same_dataset(world: World) -> None:
    ann = await world.owner()
    for _ in range(2):
        await collected(world, ann)
        await ann.presses("Done")
        await world.chats.until(lambda: world.titles("is ready as /ds_1"))
    assert len(await listing(world, ann)) == 1
    assert "were here before" in world.chats.text()


async def test_done_after_a_kill_while_it_was_read(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    assert world.app is not None
    me = await world.app.core.access.member(ann.account)
    number, button = ann.button("Done")
    # What the handler does up to the moment in which the process dies: the dataset is there, the card is not.
    await world.app._albums._sets.finish(1, me, "Pictures")
    await world.kill()
    await world.start()
    assert world.platform is not None
    press = Press("p9", ann.place, ann.account, MessageRef(ann.place, number), button.token)
    await world.platform.hand_over(press)
    assert world.titles("Pictures is ready as /ds_1")
    assert len(await listing(world, ann)) == 1


async def test_pictures_that_come_while_it_is_read_are_not_lost(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    assert world.app is not None
    sets = world.app._albums._sets
    me = await world.app.core.access.member(ann.account)
    examined = sets._examined

    async def meanwhile(files: list[object]) -> object:
        await ann.sends("late.png", small(9))
        await world.chats.until(lambda: world.titles("4 pictures so far"))
        return await examined(files)  # type: ignore[arg-type]

    sets._examined = meanwhile  # type: ignore[assignment, method-assign]
    await ann.presses("Done")
    sets._examined = examined  # type: ignore[method-assign]
    assert "Press Done again" in world.chats.text()
    assert await listing(world, ann) == []
    await ann.presses("Done")
    assert world.titles("is ready as /ds_1")
    held = (await world.app.core.images.listing(me))[0]
    assert held.report.images_total == 4


async def test_a_bad_set_stays_open_and_can_be_put_right(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    await ann.sends_all({"broken.png": small(5)[:-30], "broken.txt": b"a cat"})
    await world.chats.until(lambda: world.titles("4 pictures so far"))
    await ann.presses("Done")
    await world.chats.until(lambda: sheets(world))
    assert world.titles("cannot be trained on yet")
    assert "still here" in world.chats.text()
    assert await listing(world, ann) == []
    ack = await ann.presses("Leave out the 1 image with an error")
    assert ack is not None
    assert ack.text == "1 image was left out"
    assert world.titles("3 pictures so far")
    assert "Captions: 0" in world.chats.text()
    await ann.presses("Done")
    assert world.titles("is ready as /ds_1")


async def test_discard_forgets_the_set(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    number, done = ann.button("Done")
    _, discard = ann.button("Discard")
    assert world.platform is not None
    ref = MessageRef(ann.place, number)
    for press, button, words in (("p1", discard, ""), ("p2", discard, "not open"), ("p3", done, "not open")):
        ack = await world.platform.hand_over(Press(press, ann.place, ann.account, ref, button.token))
        assert ack is not None
        assert words in ack.text
    assert "was discarded" in world.chats.text()
    assert await listing(world, ann) == []
    await ann.sends("new.png", small(1))
    await world.chats.until(lambda: world.titles("1 picture so far"))


async def test_only_who_sent_them_may_press(world: World) -> None:
    ann = await world.owner()
    await collected(world, ann)
    bob = await trainer(world, ann)
    eve = world.someone("eve")
    assert world.platform is not None
    for label in ("Done", "Discard"):
        number, button = ann.button(label)
        for who in (bob, eve):
            press = Press(f"{label}-{who.id}", ann.place, who.account, MessageRef(ann.place, number), button.token)
            ack = await world.platform.hand_over(press)
            assert ack is not None
            assert "somebody else's" in ack.text
    assert world.titles("3 pictures so far")
    assert await listing(world, ann) == []


async def test_strangers_send_nothing(world: World) -> None:
    await world.owner()
    eve = world.someone("eve")
    await eve.sends("1.png", small(1))
    await world.chats.until(lambda: "This bot is private" in world.chats.text())
    assert world.titles("so far") == []


async def test_in_a_group_everybody_has_a_set_and_what_is_not_for_us_is_left_alone(world: World) -> None:
    ann = await world.owner()
    bob = await trainer(world, ann)
    for person in (ann, bob):
        person.chat, person.kind = "team", PlaceKind.GROUP
    before = len(world.chats.messages)
    await ann.sends_all({"holiday.png": small(1)}, addressed=False)
    await ann.sends_all({"1.png": small(1), "2.png": small(2)})
    await world.chats.until(lambda: world.titles("2 pictures so far"))
    await ann.sends_all({"3.png": small(3)}, addressed=False)
    await world.chats.until(lambda: world.titles("3 pictures so far"))
    await bob.sends("1.png", small(1))
    await world.chats.until(lambda: world.titles("1 picture so far"))
    assert len(world.chats.messages) == before + 2


async def test_too_many_pictures_are_told_at_once(world: World) -> None:
    ann = await world.owner()
    await ann.sends_all({f"{number}.png": small(number) for number in range(101)})
    await world.chats.until(lambda: world.titles("100 pictures so far"))
    await world.chats.until(lambda: world.chats.cards()[-1].tone == "error")
    assert "at most 100 images and 300 MB" in repr(world.chats.cards()[-1])
    before = len(world.chats.messages)
    await ann.sends("more.png", small(200))
    await ann.sends("teller.jsonl", dataset())
    await world.chats.until(lambda: world.titles("is ready as /ds_1"))
    assert len(world.chats.messages) == before + 1, "it is said once, and stands on the card"
    assert "The set is full" in repr(next(card for card in world.chats.cards() if "so far" in card.title))


async def test_too_many_bytes_are_told_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.albums.MAX_BYTES", len(small(0)) + len(small(1)))
    ann = await world.owner()
    await ann.sends_all({"0.png": small(0), "1.png": small(1), "2.png": small(2)})
    await world.chats.until(lambda: world.titles("2 pictures so far") and "The set is full" in world.chats.text())


async def test_a_picture_that_cannot_be_had_is_told_and_the_others_stay(world: World) -> None:
    ann = await world.owner()
    await ann.sends_all({"0.png": small(0), "huge.png": b"x" * 1_000_001})
    await world.chats.until(lambda: "huge.png · " in world.chats.text())
    assert world.titles("1 picture so far")


async def test_a_txt_without_an_open_set_is_a_file_as_any_other(world: World) -> None:
    ann = await world.owner()
    await ann.sends("teller.txt", dataset())
    await world.chats.until(lambda: world.titles("teller is ready as /ds_1"))


async def test_what_can_be_done_with_an_image_set(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    data = zipped({f"{n}.png": small(n) for n in range(3)})
    await ann.sends("totoro.zip", data)
    await world.chats.until(lambda: sheets(world))
    assert "/ds_2 totoro · 3 images" in (shown := await says(world, ann, "/datasets"))
    assert "/ds_1 teller · 12 rows" in shown
    shown = await says(world, ann, "/ds_2")
    assert "totoro is ready as /ds_2" in shown
    assert "--trigger word --repeats 10" in shown
    assert len(sheets(world)) == 2
    items = next(block for block in world.chats.cards()[-1].blocks if isinstance(block, Items))
    assert any("Only 3 images" in line for line in items.items)
    await ann.presses("Contact sheet")
    assert len(sheets(world)) == 3
    await ann.presses("File as it came")
    assert world.chats.cards()[-1].attachments[0].data == data
    await ann.presses("Download")
    with zipfile.ZipFile(io.BytesIO(world.chats.cards()[-1].attachments[0].data)) as archive:
        assert archive.namelist() == ["001.png", "002.png", "003.png"]
    await ann.presses("Full report")
    assert "64×64 → enlarged to" in world.chats.cards()[-1].attachments[0].data.decode()
    await ann.presses("Delete")
    await world.chats.until(lambda: world.titles("Delete totoro?"))
    await ann.presses("Delete")
    await world.chats.until(lambda: world.titles("totoro was deleted"))
    assert "no dataset 2" in await says(world, ann, "/ds_2")


@pytest.mark.parametrize(
    "line", ["/train 1", "/mend 1 all", "/train 1 --trigger ttr --repeats 10", "/train", "/mend_1"]
)
async def test_what_is_for_conversations_is_refused_honestly(world: World, line: str) -> None:
    ann = await world.owner()
    await ann.sends("totoro.zip", zipped({f"{n}.png": small(n) for n in range(3)}))
    await world.chats.until(lambda: sheets(world))
    assert "needs a provider that takes images, and none is set up" in await says(world, ann, line)
    await ann.says("/lang zh")
    await world.chats.until(lambda: "中文" in world.chats.text())
    assert "目前还没有配置" in await says(world, ann, line)
    assert not world.trainings.started


async def test_flags_of_image_sets(world: World) -> None:
    ann = await world.owner()
    await world.uploaded(ann)
    await ann.sends("totoro.zip", zipped({f"{n}.png": small(n) for n in range(3)}))
    await world.chats.until(lambda: sheets(world))
    assert "--trigger is for image datasets" in await says(world, ann, "/train 1 --trigger ttr")
    assert "--repeats is for image datasets" in await says(world, ann, "/train 1 --repeats 10")
    assert "none is set up" in await says(world, ann, "/train --trigger ttr")
    assert "Repeats" in (shown := await says(world, ann, "/train 2 --repeats 1000"))
    assert "100" in shown
    # Bare, the newest that can be trained on is meant.
    await ann.says("/train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())


async def test_sharing_an_image_set(world: World) -> None:
    ann = await world.owner()
    await ann.sends("totoro.zip", zipped({f"{n}.png": small(n) for n in range(3)}))
    await world.chats.until(lambda: sheets(world))
    bob = await trainer(world, ann)
    assert "no dataset 1" in await says(world, bob, "/ds_1")
    number, button = ann.button("Contact sheet")
    assert world.platform is not None
    press = Press("p1", ann.place, bob.account, MessageRef(ann.place, number), button.token)
    ack = await world.platform.hand_over(press)
    assert ack is not None
    assert "no dataset 1" in ack.text
    await says(world, ann, "/share 1 team read")
    assert "totoro is ready" in (shown := await says(world, bob, "/ds_1"))
    assert "Shared with" in shown
    assert await listing(world, bob) == ["totoro"]
    await bob.presses("Delete")
    await world.chats.until(lambda: world.titles("Delete totoro?"))
    ack = await bob.presses("Delete")
    assert ack is not None
    assert ack.alert
    assert await listing(world, ann) == ["totoro"]
