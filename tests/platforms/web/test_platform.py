"""The protocol of a platform, seen by a page over a real socket."""

import asyncio
import struct
from typing import cast
from uuid import uuid4

import aiohttp
import pytest

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
from bot.chat.errors import UserError, Vanished
from bot.chat.events import Ack, Message, Press, Upload
from bot.chat.places import MessageRef
from bot.chat.platform import Platform
from tests.platforms.web.conftest import Frame, House, Visit, entries, place_of, shown

PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 360, 240)


async def test_it_is_a_platform(house: House) -> None:
    platform = await house.open()
    assert isinstance(platform, Platform)
    assert platform.name == "web"
    assert platform.limits.repeatable_sends
    assert platform.limits.upload_bytes == 12_000_000


async def test_a_taken_port_is_named(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    await house.open()
    second = House(tmp_path_factory.mktemp("second"))
    second.port = house.port
    with pytest.raises(UserError) as refused:
        await second.open()
    assert refused.value.key == "port_taken"
    assert refused.value.fields == {"port": str(house.port)}


async def test_it_stops_without_a_start_and_twice(house: House) -> None:
    platform = await house.open()
    await platform.stop()
    await platform.stop()


async def test_a_message_is_shown_then_delivered_then_accepted(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    name = await page.say("  我该搬家吗？\0\ud800 ")
    await page.until("accepted", lambda frame: frame["accepted"] == name)
    if not shown(page.frames):
        await page.until("entries")
    assert shown(page.frames) == [{"kind": "text", "text": "  我该搬家吗？\ufffd ", "client": name}]
    [event] = house.inbox.events
    assert isinstance(event, Message)
    assert (event.id, event.text, event.author.id, event.author.platform) == (
        name,
        "  我该搬家吗？\ufffd ",
        "ming",
        "web",
    )
    assert event.ref == MessageRef(place_of(page), "1")


async def test_a_message_sent_again_is_one_message(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    name = str(uuid4())
    for _ in range(3):
        await page.say("once", name)
    for _ in range(3):
        await page.until("accepted")
    assert len(house.log.entries) == 1
    assert {event.id for event in house.inbox.events} == {name}


async def test_two_people_with_the_same_id_do_not_meet(house: House, visit: Visit) -> None:
    await house.open()
    ming, hong = await visit("ming"), await visit("hong")
    await ming.connect()
    await hong.connect()
    name = str(uuid4())
    await ming.say("a secret", name)
    await ming.until("accepted")
    await hong.say("hello", name)
    await hong.until("accepted")
    assert [entry.room for entry in house.log.entries.values()] == ["room-ming", "room-hong"]
    assert all(body["text"] == "hello" for body in shown(hong.frames))


async def test_order_is_kept_over_many_messages(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    names = [await page.say(f"{number}") for number in range(40)]
    await page.until("accepted", lambda frame: frame["accepted"] == names[-1])
    assert [cast(Message, event).text for event in house.inbox.events] == [f"{number}" for number in range(40)]
    assert [entry.body["client"] for entry in house.log.entries.values()] == names


async def test_a_message_that_cannot_be_taken_says_why(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    name = await page.say("x" * 20_001)
    failed = await page.until("failed")
    assert failed["failed"] == name
    assert "20,000" in str(failed["text"])
    assert house.log.entries == {}
    house.inbox.error = RuntimeError("secret detail")
    await page.say("hello")
    assert "secret" not in str((await page.until("failed"))["text"])


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        "{}",
        '{"send":"x","id":"1"}',
        '{"send":5,"id":"00000000-0000-4000-8000-000000000000"}',
        '{"since":-1}',
        '{"since":true}',
        '{"since":99999999999999999999}',
        '{"press":"a b","entry":1,"id":"00000000-0000-4000-8000-000000000000"}',
        '{"press":"t","entry":"1","id":"00000000-0000-4000-8000-000000000000"}',
        '{"before":null}',
    ],
)
async def test_a_malformed_frame_ends_the_connection(house: House, visit: Visit, frame: str) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    assert page.socket is not None
    await page.socket.send_str(frame)
    message = await page.socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == 1003


async def test_only_the_language_switch_may_be_silent(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    for text in ("/lang zh", "/lang zh now", "/train"):
        await page.send({"send": text, "id": str(uuid4()), "silent": True})
        await page.until("accepted")
    assert [cast(Message, event).text for event in house.inbox.events] == ["/lang zh", "/lang zh now", "/train"]
    assert [entry.body["text"] for entry in house.log.entries.values()] == ["/lang zh now", "/train"]


async def test_a_card_arrives_with_all_its_parts_and_can_be_edited(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    place = place_of(page)
    card = Card(
        title="Job 12",
        tone=Tone.GOOD,
        blocks=(
            Paragraph("<b>text</b>", Tone.MUTED),
            Fields((("Rows", "207"),)),
            Items(("one", "two")),
            Code("/train 3"),
            Bar(0.5, "half"),
            Bar(None, "unknown"),
            Chart(((0, 2.5), (1, float("nan"))), "falling"),
        ),
        buttons=((Button("Go", token="t1"), Button("Copy", copy="/train 3")), ()),
        attachments=(
            Attachment("p.png", "image/png", PNG_HEAD, AttachmentKind.PICTURE, "a picture"),
            Attachment("p.svg", "image/svg+xml", b"<svg/>", AttachmentKind.PICTURE),
        ),
    )
    ref = await platform.send(place, card, key="k1", reply_to=MessageRef(place, "7"))
    [entry] = entries(await page.until("entries"))
    body = cast(Frame, entry["body"])
    assert (ref.id, entry["author"]) == (str(entry["id"]), "bot")
    assert [block["kind"] for block in cast(list[Frame], body["blocks"])] == [
        "paragraph",
        "fields",
        "items",
        "code",
        "bar",
        "bar",
        "chart",
    ]
    assert cast(list[Frame], body["blocks"])[6]["points"] == [[0, 2.5], [1, None]]
    assert body["buttons"] == [
        [{"label": "Go", "style": "normal", "token": "t1"}, {"label": "Copy", "style": "normal", "copy": "/train 3"}]
    ]
    assert [item["kind"] for item in cast(list[Frame], body["attachments"])] == ["picture", "document"]
    assert [item["pixels"] for item in cast(list[Frame], body["attachments"])] == [[360, 240], None]
    assert body["reply_to"] == 7

    await platform.edit(ref, Card(title="Job 12 is done"))
    [edited] = entries(await page.until("entries"))
    after = cast(Frame, edited["body"])
    assert (after["title"], after["buttons"], after["blocks"]) == ("Job 12 is done", [], [])
    assert after["attachments"] == body["attachments"]
    assert after["reply_to"] == 7

    before = house.log.revision
    await platform.edit(ref, Card(title="Job 12 is done"))
    assert house.log.revision == before, "the same again is no change"


async def test_the_same_key_is_the_same_message(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    first = await platform.send(place_of(page), Card(title="done"), key="notice-1")
    assert await platform.send(place_of(page), Card(title="done"), key="notice-1") == first
    assert len(house.log.entries) == 1


@pytest.mark.parametrize("name", ["99", "0", "x", ""])
async def test_what_is_not_there_has_vanished(house: House, visit: Visit, name: str) -> None:
    platform = await house.open()
    page = await visit()
    with pytest.raises(Vanished):
        await platform.edit(MessageRef(place_of(page), name), Card(title="x"))
    with pytest.raises(Vanished):
        await platform.edit(MessageRef(place_of(page), name), Answer("x", AnswerState.STREAMING))
    with pytest.raises(Vanished):
        async for _ in platform.fetch(Upload(name, "x")):
            pass


async def test_a_press_is_acknowledged(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await page.connect()
    ref = await platform.send(place_of(page), Card(buttons=((Button("Go", token="t1"),),)), key="1")
    house.inbox.ack = Ack("Started", alert=True)
    name = str(uuid4())
    await page.send({"press": "t1", "entry": int(ref.id), "id": name})
    assert await page.until("ack") == {"ack": name, "text": "Started", "alert": True}
    [event] = house.inbox.events
    assert isinstance(event, Press)
    assert (event.id, event.token, event.ref, event.author.id) == (name, "t1", ref, "ming")


async def test_a_press_goes_on_when_its_page_is_closed(house: House, visit: Visit) -> None:
    begun, release, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def deliver(event: object, stored: object = None) -> Ack | None:
        begun.set()
        await release.wait()
        ended.set()
        return None

    platform = await house.open(deliver)
    page = await visit()
    await page.connect()
    ref = await platform.send(place_of(page), Card(buttons=((Button("Go", token="t1"),),)), key="1")
    await page.send({"press": "t1", "entry": int(ref.id), "id": str(uuid4())})
    await begun.wait()
    assert page.socket is not None
    await page.socket.close()
    release.set()
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_ping_is_answered_while_a_message_is_being_stored(house: House, visit: Visit) -> None:
    release = asyncio.Event()

    async def deliver(event: object, stored: object = None) -> Ack | None:
        await release.wait()
        return None

    await house.open(deliver)
    page = await visit()
    await page.connect()
    await page.say("slow")
    await page.send({"ping": 1})
    await page.until("pong")
    release.set()
    await page.until("accepted")


async def test_while_stopping_nothing_is_taken_in_and_pages_are_told(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    await house.close()
    assert page.socket is not None
    message = await page.socket.receive(timeout=5)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_typing_is_shown_to_those_who_look(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await platform.typing(place_of(page))
    await page.connect()
    await page.until("history")
    await platform.typing(place_of(page))
    assert cast(int, (await page.until("typing"))["typing"]) > 0


async def test_the_menu_follows_the_role(house: House, visit: Visit) -> None:
    await house.open()
    for role, names in {
        "guest": ["start"],
        "trainer": ["start", "train", "try"],
        "admin": ["start", "train", "try", "invite"],
        "nobody": ["start"],
    }.items():
        page = await visit(role, role=role)
        await page.connect()
        hello = cast(Frame, (await page.until("hello"))["hello"])
        assert [entry["name"] for entry in cast(list[Frame], hello["menu"])] == names


async def test_the_switch_of_language_holds_for_what_comes_after(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    await page.send({"send": "/lang zh", "id": str(uuid4()), "silent": True})
    await page.until("accepted")
    await page.say("x" * 20_001)
    assert "消息太长" in str((await page.until("failed"))["text"])
    await page.say("现在呢")
    await page.until("accepted")
    last = house.inbox.events[-1]
    assert isinstance(last, Message)
    assert last.author.language == "zh"


async def test_a_change_of_role_is_told_to_an_open_page(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit(role="guest")
    await page.connect()
    await page.until("hello")
    visitor = house.door.sessions[page.token]
    house.door.sessions[page.token] = type(visitor)(visitor.account, visitor.name, "admin", "zh", visitor.room)
    await page.say("/start")
    hello = cast(Frame, (await page.until("hello"))["hello"])
    assert (hello["role"], hello["language"]) == ("admin", "zh")
