"""What every chat platform keeps to. A platform's tests subclass :class:`PlatformContract` with a ``world`` fixture:
a stand-in server with an account, a browser's connection. Nothing here knows any platform.
"""

from collections.abc import AsyncIterator

import pytest

from bot.chat.codec import decode, encode
from bot.chat.content import (
    Answer,
    AnswerState,
    Attachment,
    AttachmentKind,
    Bar,
    Button,
    Card,
    Chart,
    Code,
    Fields,
    Items,
    Paragraph,
    Tone,
)
from bot.chat.errors import PlatformError, Unavailable, Vanished
from bot.chat.events import Ack, Message, Press, Upload
from bot.chat.places import Place, PlaceKind
from bot.chat.platform import Platform
from tests.contracts.platform_world import Inbox, World

EVERYTHING = Card(
    title="Job 7 · 微调",
    blocks=(
        Paragraph("It runs.\nSince noon."),
        Paragraph("quietly", Tone.MUTED),
        Fields((("Step", "65 / 78"), ("损失", "1.25"))),
        Items(("first thing", "/ds_3")),
        Code("/train 3 --epochs 2"),
        Bar(0.4, "40 percent"),
        Bar(None, "no idea yet"),
        Chart(((0, 3.0), (1, 1.0)), "from three to one"),
    ),
    buttons=((Button("Start", token="tok-start"), Button("Copy it", copy="/train 3")), (Button("Leave", token="x"),)),
    tone=Tone.GOOD,
)
WORDS = (
    "Job 7 · 微调", "It runs.", "Since noon.", "quietly", "Step", "65 / 78", "损失", "1.25", "first thing", "/ds_3",
    "/train 3 --epochs 2", "40 percent", "no idea yet", "from three to one",
)  # fmt: skip


class PlatformContract:
    """Subclass it as ``Test…`` and give it a fixture ``world`` that is not open yet.

    What a platform has no such thing as is set to None in the subclass, with the reason.
    """

    @pytest.fixture
    async def inbox(self, world: World) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        await world.open(inbox.deliver)
        yield inbox
        await world.close()

    def test_it_is_a_platform(self, world: World) -> None:
        assert isinstance(world.platform, Platform)
        assert world.place.platform == world.platform.name
        limits = world.platform.limits
        assert limits.text_units >= 1000
        assert limits.upload_bytes >= 1_000_000
        assert limits.calls_per_second > 0
        assert limits.interval(world.place) > 0

    async def test_stop_without_start_and_twice(self, world: World) -> None:
        await world.platform.stop()
        await world.platform.stop()

    async def test_a_message_comes_in(self, world: World, inbox: Inbox) -> None:
        await world.say("要不要搬家？ 🏠 <b>&amp;")
        (message,) = await inbox.messages(1)
        assert message.text == "要不要搬家？ 🏠 <b>&amp;"
        assert message.place == world.place
        assert message.place.kind is PlaceKind.PRIVATE
        assert message.addressed
        assert message.id
        assert message.author.platform == world.platform.name
        assert message.author.id
        assert message.ref.place == message.place
        assert decode(encode(message)) == message

    async def test_messages_keep_their_order(self, world: World, inbox: Inbox) -> None:
        for number in range(10):
            await world.say(f"number {number}")
        messages = await inbox.messages(10)
        assert [message.text for message in messages] == [f"number {number}" for number in range(10)]
        assert len({message.id for message in messages}) == 10
        assert len({message.ref.id for message in messages}) == 10
        assert len({message.author.id for message in messages}) == 1

    async def test_a_file_comes_in(self, world: World, inbox: Inbox) -> None:
        data = bytes(range(256)) * 4096
        await world.upload("我的 data #1.jsonl", data)
        (message,) = await inbox.messages(1)
        (upload,) = message.uploads
        assert upload.name == "我的 data #1.jsonl"
        assert upload.size in (None, len(data))
        again = decode(encode(message))
        assert isinstance(again, Message)
        for handle in (upload, again.uploads[0]):
            assert b"".join([piece async for piece in world.platform.fetch(handle)]) == data

    async def test_a_file_that_never_was(self, world: World, inbox: Inbox) -> None:
        with pytest.raises(Vanished):
            _ = [piece async for piece in world.platform.fetch(Upload("0" * 32, "data.jsonl", 1))]

    async def test_what_could_not_be_stored_comes_again(self, world: World, inbox: Inbox) -> None:
        inbox.failures = 2
        await world.say("first")
        await world.say("second")
        assert [message.text for message in await inbox.messages(2)] == ["first", "second"]

    async def test_a_card_shows_all_its_words(self, world: World, inbox: Inbox) -> None:
        ref = await world.platform.send(world.place, EVERYTHING, key="card")
        (seen,) = await world.until(lambda seen: len(seen) == 1)
        assert seen.id == ref.id
        assert ref.place == world.place
        for word in WORDS:
            assert word in seen.text
        assert set(seen.labels) == {"Start", "Copy it", "Leave"}

    async def test_text_is_never_markup(self, world: World, inbox: Inbox) -> None:
        text = "<b>a</b> *b* _c_ `d` [e](https://f.g) &lt; \\ | ~ 1 < 2"
        card = Card(text, (Paragraph(text), Fields(((text, text),)), Items((text,)), Code(text)))
        await world.platform.send(world.place, card, key="markup")
        (seen,) = await world.until(lambda seen: len(seen) == 1)
        assert seen.text.count(text) == 6

    async def test_a_press_comes_in_and_is_answered(self, world: World, inbox: Inbox) -> None:
        ref = await world.platform.send(world.place, EVERYTHING, key="card")
        await world.until(lambda seen: len(seen) == 1)
        inbox.ack = Ack("已开始")
        told = await world.press("Start")
        (press,) = await inbox.wait(1)
        assert isinstance(press, Press)
        assert press.token == "tok-start"
        assert press.ref == ref
        assert press.author.platform == world.platform.name
        assert decode(encode(press)) == press
        assert told is not None
        assert told.text == "已开始"

    async def test_the_one_who_presses_is_the_one_who_writes(self, world: World, inbox: Inbox) -> None:
        await world.platform.send(world.place, EVERYTHING, key="card")
        await world.until(lambda seen: len(seen) == 1)
        await world.say("me")
        await world.press("Leave")
        message, press = await inbox.wait(2)
        assert isinstance(message, Message)
        assert isinstance(press, Press)
        assert message.author.id == press.author.id
        assert message.id != press.id

    async def test_an_edit_replaces_text_and_buttons(self, world: World, inbox: Inbox) -> None:
        ref = await world.platform.send(world.place, EVERYTHING, key="card")
        after = Card("Job 7", (Paragraph("done"),))
        await world.platform.edit(ref, after)
        (seen,) = await world.until(lambda seen: bool(seen) and "done" in seen[0].text)
        assert "65 / 78" not in seen.text
        assert seen.labels == ()
        await world.platform.edit(ref, after)
        assert await world.sent() == [seen]

    async def test_an_edit_of_what_is_gone(self, world: World, inbox: Inbox) -> None:
        ref = await world.platform.send(world.place, EVERYTHING, key="card")
        await world.erase(ref)
        with pytest.raises(Vanished):
            await world.platform.edit(ref, Card("Job 8"))

    async def test_a_reply_hangs_under_what_it_answers(self, world: World, inbox: Inbox) -> None:
        await world.say("well?")
        (message,) = await inbox.messages(1)
        await world.platform.send(world.place, Card("Well."), key="reply", reply_to=message.ref)
        (seen,) = await world.until(lambda seen: len(seen) == 1)
        assert seen.reply_to == message.ref.id

    async def test_files_go_out_with_a_card(self, world: World, inbox: Inbox) -> None:
        # One that no platform can show as a picture, so that each has to find a way.
        files = (
            Attachment("训练.log", "text/plain", b"step 1"),
            Attachment("curve.png", "image/png", b"not really a picture", AttachmentKind.PICTURE, "a falling line"),
        )
        ref = await world.platform.send(world.place, Card("Done", attachments=files), key="files")
        seen = await world.until(lambda seen: any(item.id == ref.id for item in seen))
        assert "Done" in next(item.text for item in seen if item.id == ref.id)
        await world.platform.edit(ref, Card("Done and seen"))
        await world.until(lambda seen: any("Done and seen" in item.text for item in seen))

    async def test_an_answer_from_waiting_to_done(self, world: World, inbox: Inbox) -> None:
        stop = ((Button("Stop", token="stop"),),)
        ref = await world.platform.send(world.place, Answer("", AnswerState.WAITING, "", stop), key="answer")
        await world.until(lambda seen: len(seen) == 1 and seen[0].labels == ("Stop",))
        await world.platform.edit(ref, Answer("The stars", AnswerState.STREAMING, "", stop))
        await world.until(lambda seen: "The stars" in seen[0].text)
        await world.platform.edit(ref, Answer("The stars say `List<int>`.", AnswerState.DONE, "stopped"))
        (seen,) = await world.until(lambda seen: "stopped" in seen[0].text)
        assert "The stars say" in seen.text
        assert "List<int>" in seen.text
        assert seen.labels == ()

    @pytest.mark.parametrize("character", ["a", "算", "🏠", "**b** ", "<b>", "`c` ", "| x "])
    async def test_a_full_page_is_shown_whole(self, world: World, inbox: Inbox, character: str) -> None:
        units = len(character.encode("utf-16-le")) // 2
        count = (world.platform.limits.text_units - 10) // units
        page = "begin" + character * count + "end"
        await world.platform.send(world.place, Answer(page, AnswerState.DONE), key="page")
        (seen,) = await world.until(lambda seen: len(seen) == 1)
        assert seen.text.startswith("begin")
        assert seen.text.rstrip().endswith("end")
        assert seen.text.count(character.strip("* `|")[:1]) >= count

    async def test_the_same_key_twice(self, world: World, inbox: Inbox) -> None:
        assert world.platform.limits.repeatable_sends
        first = await world.platform.send(world.place, Card("once"), key="same")
        second = await world.platform.send(world.place, Card("once"), key="same")
        assert first == second
        assert len(await world.until(lambda seen: len(seen) >= 1)) == 1

    async def test_typing_never_raises(self, world: World, inbox: Inbox) -> None:
        await world.platform.typing(world.place)
        await world.platform.typing(Place(world.platform.name, "999999"))

    async def test_after_stop_nothing_is_delivered(self, world: World) -> None:
        inbox = Inbox()
        await world.open(inbox.deliver)
        await world.say("before")
        await inbox.wait(1)
        await world.close()
        assert len(inbox.events) == 1

    async def test_what_is_said_after_stop_fails_as_ours(self, world: World, inbox: Inbox) -> None:
        await world.platform.stop()
        try:
            await world.platform.send(world.place, Card("nobody listens"), key="late")
        except PlatformError as error:
            assert isinstance(error, Unavailable)  # noqa: PT017 - a platform with a log of its own may still take it
