"""Updates as events: who, where, what, and whether it is for us."""

import pytest

from bot.chat.codec import decode, encode
from bot.chat.events import Edit, Message, Moved, Presence, Upload
from bot.chat.places import Account, MessageRef, PlaceKind
from bot.platforms.telegram import TelegramPlatform
from tests.fakes.telegram import Person, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox, group, private

TEAM = -1001234567890
Running = TelegramPlatform


async def test_a_private_message(platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    update_id = tg.updates.next_id
    shown = await ming.says("  要不要搬家？ 🏠")
    message = await inbox.message()
    assert message.id == str(update_id)
    assert message.place == private(1001)
    assert message.author == Account("telegram", "1001", "Ming Li", "zh-hans")
    assert message.ref == MessageRef(private(1001), str(shown.id))
    assert message.text == "  要不要搬家？ 🏠"
    assert message.addressed
    assert message.uploads == ()
    assert decode(encode(message)) == message


async def test_deep_links_arrive_as_text(platform: Running, ming: Person, inbox: Inbox) -> None:
    await ming.says("/start join_abc-123")
    assert (await inbox.message()).text == "/start join_abc-123"


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("/train@tune_test_bot 3 --epochs 2", "/train 3 --epochs 2"),
        ("/train@TUNE_test_Bot", "/train"),
        ("/train 3", "/train 3"),
        ("/job_12@tune_test_bot", "/job_12"),
    ],
)
async def test_commands_for_us(
    platform: Running, tg: TelegramStandIn, inbox: Inbox, said: str, understood: str
) -> None:
    await tg.person(7).says(said, tg.group(TEAM))
    message = await inbox.message()
    assert message.text == understood
    assert message.addressed


async def test_commands_for_another_bot_are_not_ours(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    await ming.says("/train@another_bot 3", tg.group(TEAM))
    await ming.says("/train@another_bot 3")
    await ming.says("after")
    assert (await inbox.message()).text == "after"


@pytest.mark.parametrize(
    ("said", "understood", "addressed"),
    [
        ("@tune_test_bot, should I move house?", "should I move house?", True),
        ("should I, @Tune_Test_Bot, move?", "should I, move?", True),
        ("搬家吗 @tune_test_bot", "搬家吗", True),
        ("🏠🏠 @tune_test_bot 你好 @somebody_else", "🏠🏠 你好 @somebody_else", True),
        ("@tune_test_bot2 hello", "@tune_test_bot2 hello", False),
        ("nobody is meant", "nobody is meant", False),
        ("mail me at x@tune_test_bot", "mail me at x@tune_test_bot", False),
    ],
)
async def test_mentions_in_groups(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, said: str, understood: str, addressed: bool
) -> None:
    await ming.says(said, tg.group(TEAM))
    message = await inbox.message()
    assert message.place == group(TEAM)
    assert message.place.kind is PlaceKind.GROUP
    assert (message.text, message.addressed) == (understood, addressed)


async def test_a_reply_to_us_is_addressed(platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    team = tg.group(TEAM)
    ours = tg.new_message(TEAM, None, "an answer")
    ours.raw |= {"from": tg.me, "text": "an answer"}
    theirs = await ming.says("I wonder", team)
    await ming.says("and why?", team, reply_to=ours)
    await ming.says("me too", team, reply_to=theirs)
    await inbox.until(lambda i: len(i.events) == 3)
    assert [(await inbox.message(number)).addressed for number in range(3)] == [False, True, False]


async def test_topics_are_places_of_their_own(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    team = tg.group(TEAM, "Team", 5)
    opening = tg.new_message(TEAM, None, "")
    opening.raw |= {"from": tg.me, "forum_topic_created": {"name": "training", "icon_color": 1}}
    await ming.says("in the topic", team, thread=5, reply_to=opening)
    message = await inbox.message()
    assert message.place == group(TEAM, "5")
    assert not message.addressed


async def test_a_thread_that_is_no_topic_is_the_group(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    await ming.sends({"text": "a reply in a discussion", "message_thread_id": 77}, tg.group(TEAM))
    assert (await inbox.message()).place == group(TEAM)


async def test_documents_and_photos_are_uploads(platform: Running, ming: Person, inbox: Inbox) -> None:
    await ming.sends_file("数据.jsonl", b"{}\n", caption="/train")
    await ming.sends_file(None, b"[]", mime="application/json")
    await ming.sends_photo(b"\xff\xd8\xff picture")
    await inbox.until(lambda i: len(i.events) == 3)
    first, second, third = [await inbox.message(number) for number in range(3)]
    assert first.uploads == (Upload("FILE1", "数据.jsonl", 3),)
    assert first.text == "/train"
    assert second.uploads[0].name == "file.json"
    assert third.uploads[0].handle == "FILE4"
    assert third.uploads[0].name.endswith(".jpg")


@pytest.mark.parametrize(
    "body",
    [
        {"new_chat_title": "Another"},
        {"from": {"id": 5, "is_bot": True, "first_name": "Other bot"}, "text": "hello"},
        {"sender_chat": {"id": -100999, "type": "channel", "title": "News"}, "text": "news"},
        {"chat": {"id": -100999, "type": "channel", "title": "News"}, "text": "news"},
    ],
)
async def test_what_is_not_for_us(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, body: dict[str, object]
) -> None:
    await ming.sends(body, tg.group(TEAM))
    await ming.says("after")
    assert (await inbox.message()).text == "after"
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)


async def test_edits(platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    team = tg.group(TEAM, "Team", 5)
    shown = await ming.says("/trian@tune_test_bot 3", team, thread=5)
    update_id = tg.updates.next_id
    await ming.edits(shown, "/train@tune_test_bot 3")
    await inbox.until(lambda i: len(i.events) == 2)
    said, edit = inbox.events
    assert isinstance(said, Message)
    assert edit == Edit(str(update_id), group(TEAM, "5"), said.author, said.ref, "/train 3")
    assert decode(encode(edit)) == edit
    assert tg.updates.allowed == ["message", "edited_message", "callback_query", "my_chat_member"]


async def test_a_preview_that_telegram_adds_is_an_edit_to_the_same_text(
    platform: Running, ming: Person, inbox: Inbox
) -> None:
    shown = await ming.says("@somebody see https://example.org")
    await ming.edits(shown, "@somebody see https://example.org")
    await inbox.until(lambda i: len(i.events) == 2)
    said, edit = inbox.events
    assert isinstance(said, Message)
    assert isinstance(edit, Edit)
    assert (edit.text, edit.ref) == (said.text, said.ref)


async def test_an_edit_without_words_is_none(platform: Running, ming: Person, inbox: Inbox) -> None:
    shown = await ming.sends_photo(b"\xff\xd8\xff picture")
    await ming.edits(shown, "")
    await ming.says("after")
    assert (await inbox.message(1)).text == "after"


async def test_who_blocks_us_and_lets_us_in_again(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    await ming.blocks()
    await ming.unblocks()
    await inbox.until(lambda i: len(i.events) == 2)
    first = inbox.events[0]
    assert isinstance(first, Presence)
    assert first.place == private(1001)
    assert decode(encode(first)) == first
    assert [event.writable for event in inbox.events if isinstance(event, Presence)] == [False, True]


@pytest.mark.parametrize(
    ("standing", "writable"),
    [("kicked", False), ("left", False), ("restricted", False), ("member", True), ("administrator", True)],
)
async def test_our_standing_in_a_group(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, standing: str, writable: bool
) -> None:
    await tg.changes_standing(tg.group(TEAM), standing, ming)
    await inbox.until(lambda i: len(i.events) == 1)
    (event,) = inbox.events
    assert event == Presence(event.id, group(TEAM), writable)


async def test_a_group_that_becomes_a_supergroup(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    old = tg.group(-500)
    await tg.migrates(old, TEAM, ming)
    await inbox.until(lambda i: len(i.events) == 2)
    first, second = inbox.events
    assert first == Moved(first.id, group(-500), str(TEAM))
    assert decode(encode(first)) == first
    # Both chats tell: the same id, so that whoever stores events takes the second for a repeat.
    assert second == first
    await platform.typing(group(-500))
    assert tg.actions == [(TEAM, "typing", None)]


async def test_a_press_in_a_topic(platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    tg.group(TEAM, "Team", 5)
    card = tg.new_message(TEAM, 5, "a card")
    card.keyboard = [[{"text": "Go", "callback_data": "tok"}]]
    card.raw |= {"from": tg.me, "text": "a card"}
    update_id = tg.updates.next_id
    await ming.presses(card, "Go")
    press = await inbox.press()
    assert press.id == str(update_id)
    assert press.place == group(TEAM, "5")
    assert press.ref == MessageRef(press.place, str(card.id))
    assert decode(encode(press)) == press


async def test_a_press_on_a_message_that_telegram_forgot(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    query = tg.new_query()
    old = {"chat": {"id": 1001, "type": "private", "first_name": "Ming"}, "message_id": 5, "date": 0}
    body = {"id": query.id, "from": ming.user, "chat_instance": "1", "data": "tok", "message": old}
    await tg.add_update("callback_query", body)
    assert (await inbox.press()).ref == MessageRef(private(1001), "5")


async def test_an_update_that_cannot_be_read_takes_no_other_with_it(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    await tg.add_update("message", {"message_id": "none", "text": "a secret thought"})
    await ming.says("readable")
    assert (await inbox.message()).text == "readable"
    assert any("cannot be read" in record.getMessage() for record in caplog.records)
    assert "a secret thought" not in caplog.text
