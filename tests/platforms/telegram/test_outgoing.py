"""What goes out, and what becomes of it when Telegram or the way to it fails."""

import struct

import pytest
from telegram.constants import FileSizeLimit

from bot.chat.content import Answer, AnswerState, Attachment, AttachmentKind, Button, Card, Fields, Paragraph
from bot.chat.errors import Blocked, Closed, PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished
from bot.chat.places import MessageRef
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram.platform import TEXT_UNITS
from tests.fakes.telegram import (
    BrokenJson,
    DropAfter,
    DropBefore,
    Failure,
    HtmlPage,
    Person,
    Slow,
    TelegramStandIn,
    Throttle,
)
from tests.fakes.telegram.troubles import Trouble
from tests.platforms.telegram.helpers import Memory, group, private

TEAM = -1001234567890
Running = TelegramPlatform
CARD = Card("Job 7", (Fields((("Step", "1 / 2"),)),), ((Button("Cancel", token="t1"),),))
HERE = private(1001)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height)


async def test_a_card_is_sent_and_edited(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    asked = await ming.says("/train")
    ref = await platform.send(HERE, CARD, key="k1", reply_to=MessageRef(HERE, str(asked.id)))
    (shown,) = tg.messages(ming)
    assert ref == MessageRef(HERE, str(shown.id))
    assert shown.text == "Job 7\n\nStep: 1 / 2"
    assert shown.styled("bold") == ["Job 7"]
    assert shown.labels == ["Cancel"]
    assert shown.reply_to == asked.id
    assert not shown.silent
    assert not shown.preview
    await platform.edit(ref, Card("Job 7", (Paragraph("done"),)))
    assert shown.text == "Job 7\n\ndone"
    assert shown.labels == []
    assert not shown.preview
    assert len(tg.messages(ming)) == 1


async def test_the_same_again_is_a_success(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    ref = await platform.send(HERE, CARD, key="k1")
    await platform.edit(ref, CARD)
    assert tg.calls("editMessageText")[0].outcome.startswith("Bad Request: message is not modified")


async def test_a_sign_at_a_message_may_be_repeated(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    ref = await platform.send(HERE, CARD, key="k")
    for good, emoji in ((True, "🎉"), (True, "🎉"), (False, "💔")):
        await platform.sign(ref, good=good)
        assert [each["emoji"] for each in tg.reactions[int(ref.id)]] == [emoji]
    with pytest.raises(Vanished):
        await platform.sign(MessageRef(ref.place, "99"), good=True)


async def test_a_card_that_does_not_ring(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    await platform.send(HERE, Card("quiet", rings=False), key="k1")
    assert tg.messages(ming)[0].silent


async def test_a_reply_to_what_is_gone_is_sent_all_the_same(
    platform: Running, tg: TelegramStandIn, ming: Person
) -> None:
    await platform.send(HERE, CARD, key="k1", reply_to=MessageRef(HERE, "999"))
    assert tg.messages(ming)[0].reply_to is None


async def test_topics(platform: Running, tg: TelegramStandIn) -> None:
    tg.group(TEAM, "Team", 5)
    ref = await platform.send(group(TEAM, "5"), CARD, key="k1")
    assert tg.messages(TEAM)[0].thread == 5
    assert ref.place == group(TEAM, "5")
    await platform.typing(group(TEAM, "5"))
    assert tg.actions == [(TEAM, "typing", 5)]


async def test_an_answer_streams(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    stop = ((Button("Stop", token="s"),),)
    ref = await platform.send(HERE, Answer("", AnswerState.WAITING, "loading", stop), key="k1")
    (shown,) = tg.messages(ming)
    assert shown.text == "… loading"
    await platform.edit(ref, Answer("**Move**", AnswerState.STREAMING, "", stop))
    assert (shown.text, shown.styled("bold")) == ("Move", ["Move"])
    await platform.edit(ref, Answer("**Move** `List<int>`", AnswerState.DONE, "stopped"))
    assert shown.text == "Move List<int>\n\nstopped"
    assert shown.styled("italic") == ["stopped"]
    assert shown.labels == []


async def test_a_full_page_is_shown_whole(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    page = ("算命" * TEXT_UNITS)[:TEXT_UNITS]
    await platform.send(HERE, Answer(page, AnswerState.DONE), key="k1")
    assert tg.messages(ming)[0].text == page


@pytest.mark.parametrize("reason", ["can't parse entities: whatever", "ENTITY_BOUNDS_INVALID", "message is too long"])
async def test_what_is_refused_formatted_goes_as_it_was_written(
    platform: Running, tg: TelegramStandIn, ming: Person, reason: str
) -> None:
    tg.next("sendMessage", Failure(400, f"Bad Request: {reason}"))
    ref = await platform.send(HERE, Answer("**Move**", AnswerState.DONE), key="k1")
    assert tg.messages(ming)[0].text == "**Move**"
    tg.next("editMessageText", Failure(400, f"Bad Request: {reason}"))
    await platform.edit(ref, Answer("**Stay** here", AnswerState.DONE))
    assert tg.messages(ming)[0].text == "**Stay** here"


ERRORS: list[tuple[Trouble, type[PlatformError]]] = [
    (Throttle(17), Throttled),
    (Failure(429, "Too Many Requests: retry after 17"), Throttled),
    (HtmlPage(403), Unavailable),
    (HtmlPage(400), Unavailable),
    (Failure(403, "Forbidden: bot was blocked by the user"), Blocked),
    (Failure(403, "Forbidden: bot was kicked from the supergroup chat"), Blocked),
    (Failure(403, "Forbidden: user is deactivated"), Blocked),
    (Failure(400, "Bad Request: chat not found"), Blocked),
    (Failure(400, "Bad Request: TOPIC_CLOSED"), Closed),
    (Failure(400, "Bad Request: TOPIC_DELETED"), Closed),
    (Failure(400, "Bad Request: message thread not found"), Closed),
    (Failure(400, "Bad Request: not enough rights to send text messages to the chat"), Blocked),
    (Failure(400, "Bad Request: BUTTON_DATA_INVALID"), Refused),
    (Failure(413, "Request Entity Too Large"), Refused),
    (Failure(401, "Unauthorized"), Unavailable),
    (Failure(500, "Internal Server Error"), Unconfirmed),
    (HtmlPage(502), Unconfirmed),
    (HtmlPage(504), Unconfirmed),
    (HtmlPage(200), Unconfirmed),
    (BrokenJson(), Unconfirmed),
    (BrokenJson("[]"), Unconfirmed),
    (BrokenJson('{"ok":true}'), Unconfirmed),
    (BrokenJson('{"ok":true,"result":{}}'), Unconfirmed),
    (BrokenJson('{"ok":true,"result":true}'), Unconfirmed),
    (DropBefore(), Unconfirmed),
    (DropAfter(), Unconfirmed),
]


@pytest.mark.parametrize(("trouble", "error"), ERRORS, ids=lambda value: repr(value).partition(" object at ")[0][:60])
async def test_errors_of_a_send(
    platform: Running, tg: TelegramStandIn, ming: Person, trouble: Trouble, error: type[PlatformError]
) -> None:
    tg.next("sendMessage", trouble)
    with pytest.raises(error) as caught:
        await platform.send(HERE, CARD, key="k1")
    assert caught.value.__cause__ is not None
    assert tg.token not in str(caught.value)
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after == 17
    assert len(tg.calls("sendMessage")) == 1


@pytest.mark.parametrize(
    "reason", ["message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID", "message_id_invalid"]
)
async def test_an_edit_of_what_is_gone(platform: Running, tg: TelegramStandIn, ming: Person, reason: str) -> None:
    tg.next("editMessageText", Failure(400, f"Bad Request: {reason}"))
    with pytest.raises(Vanished):
        await platform.edit(MessageRef(HERE, "101"), CARD)


async def test_a_pace_that_somebody_on_the_way_sets_is_kept(
    platform: Running, tg: TelegramStandIn, ming: Person
) -> None:
    tg.next("sendMessage", HtmlPage(429))
    with pytest.raises(Throttled):
        await platform.send(HERE, CARD, key="k1")


async def test_an_edit_of_a_message_that_somebody_deleted(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    ref = await platform.send(HERE, CARD, key="k1")
    del tg.shown[ming.id][int(ref.id)]
    with pytest.raises(Vanished):
        await platform.edit(ref, CARD)


@pytest.mark.filterwarnings("ignore:.*retry_after")
@pytest.mark.parametrize("timedelta", ["true", "false"])
async def test_a_retry_after_in_either_type(
    platform: Running, tg: TelegramStandIn, ming: Person, monkeypatch: pytest.MonkeyPatch, timedelta: str
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", timedelta)
    tg.next("editMessageText", Throttle(35))
    with pytest.raises(Throttled) as caught:
        await platform.edit(MessageRef(HERE, "101"), CARD)
    assert caught.value.retry_after == 35


async def test_nobody_listens(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    await tg.shut()
    with pytest.raises(Unavailable):
        await platform.send(HERE, CARD, key="k1")
    await platform.typing(HERE)


async def test_a_blocked_bot(platform: Running, ming: Person) -> None:
    await ming.blocks()
    with pytest.raises(Blocked):
        await platform.send(HERE, CARD, key="k1")
    await platform.typing(HERE)


async def test_a_group_that_moved_is_followed(platform: Running, tg: TelegramStandIn) -> None:
    old, new = tg.group(-500), tg.group(TEAM)
    old.moved_to = new.id
    ref = await platform.send(group(-500), CARD, key="k1")
    assert ref.place == group(TEAM)
    await platform.edit(ref, Card("edited"))
    await platform.send(group(-500), CARD, key="k2")
    assert [message.text.split("\n")[0] for message in tg.messages(new)] == ["edited", "Job 7"]
    assert [call.outcome for call in tg.calls("sendMessage")].count("ok") == 2
    assert len(tg.calls("sendMessage")) == 3


async def test_what_was_said_in_a_group_that_moved_cannot_be_edited(platform: Running, tg: TelegramStandIn) -> None:
    old, new = tg.group(-500), tg.group(TEAM)
    ref = await platform.send(group(-500), CARD, key="k1")
    old.moved_to = new.id
    with pytest.raises(Vanished):
        await platform.edit(ref, Card("edited"))
    assert (await platform.send(group(-500), CARD, key="k2")).place == group(TEAM)
    assert len(tg.calls("sendMessage")) == 2


async def test_a_closed_topic_is_not_a_closed_chat(platform: Running, tg: TelegramStandIn) -> None:
    team = tg.group(TEAM, "Team", 5)
    team.closed.add(5)
    for thread in ("5", "6"):
        with pytest.raises(Closed):
            await platform.send(group(TEAM, thread), CARD, key="k1")
    await platform.send(group(TEAM), CARD, key="k2")


PICTURE = Attachment("verdict.png", "image/png", png(1080, 1350), AttachmentKind.PICTURE, "71 % of 40 votes")
LOG = Attachment("训练.log", "text/plain", "第一步".encode())


async def test_files_hang_under_their_card(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    ref = await platform.send(HERE, Card("Done", attachments=(PICTURE, LOG)), key="k1")
    card, picture, document = tg.messages(ming)
    assert ref.id == str(card.id)
    assert (picture.photo, picture.text, picture.reply_to) == (PICTURE.data, "71 % of 40 votes", card.id)
    assert (document.document, document.file_name, document.reply_to) == (LOG.data, "训练.log", card.id)
    assert not card.silent
    assert picture.silent
    assert document.silent


@pytest.mark.parametrize("data", [b"no picture at all", png(9000, 300), png(6000, 6000)])
async def test_a_picture_that_telegram_does_not_take_goes_as_a_file(
    platform: Running, tg: TelegramStandIn, ming: Person, data: bytes
) -> None:
    picture = Attachment("curve.png", "image/png", data, AttachmentKind.PICTURE)
    await platform.send(HERE, Card("Done", attachments=(picture,)), key="k1")
    assert tg.messages(ming)[1].document == data


async def test_a_card_is_not_sent_twice_because_of_its_file(
    platform: Running, tg: TelegramStandIn, ming: Person
) -> None:
    card = Card("Done", attachments=(PICTURE, LOG))
    tg.next("sendDocument", Throttle(3), Throttle(4))
    for _ in range(2):
        with pytest.raises(Throttled):
            await platform.send(HERE, card, key="k1")
    ref = await platform.send(HERE, card, key="k1")
    assert [bool(m.photo) + 2 * bool(m.document) for m in tg.messages(ming)] == [0, 1, 2]
    assert ref.id == str(tg.messages(ming)[0].id)
    await platform.send(HERE, card, key="k2")
    assert len(tg.messages(ming)) == 6


async def test_a_file_that_is_lost_does_not_lose_the_card(
    platform: Running, tg: TelegramStandIn, ming: Person, caplog: pytest.LogCaptureFixture
) -> None:
    tg.next("sendPhoto", DropBefore())
    tg.next("sendDocument", Failure(400, "Bad Request: file must be non-empty"))
    ref = await platform.send(HERE, Card("Done", attachments=(PICTURE, LOG)), key="k1")
    card, unsure, missing = tg.messages(ming)
    assert (str(card.id), unsure.reply_to, missing.reply_to) == (ref.id, card.id, card.id)
    assert "arrived is not known" in unsure.text
    assert "could not be sent" in missing.text
    assert "没能发出" in missing.text
    assert len([r for r in caplog.records if "a file under a message was not taken" in r.getMessage()]) == 2


async def test_a_file_that_is_lost_with_all_that_follows_does_not_lose_the_card(
    platform: Running, tg: TelegramStandIn, ming: Person
) -> None:
    tg.next("sendDocument", Failure(403, "Forbidden: bot was blocked by the user"))
    tg.next("sendMessage", Slow(0), Failure(403, "Forbidden: bot was blocked by the user"))
    ref = await platform.send(HERE, Card("Done", attachments=(LOG,)), key="k1")
    assert [str(message.id) for message in tg.messages(ming)] == [ref.id]


async def test_a_file_that_is_too_large_is_replaced_by_a_sentence(
    platform: Running, tg: TelegramStandIn, ming: Person
) -> None:
    # As on Telegram's own server; the stand-in's address makes the limit that of a local one.
    platform._outgoing._most_document = int(FileSizeLimit.FILESIZE_UPLOAD)
    large = Attachment("adapter.bin", "application/octet-stream", bytes(50_000_001))
    await platform.send(HERE, Card("Done", attachments=(large, LOG)), key="k1")
    card, sentence, document = tg.messages(ming)
    assert "“adapter.bin”有 51 MB，这里最多能发送 50 MB" in sentence.text
    assert "“adapter.bin” has 51 MB; here 50 MB can be sent." in sentence.text
    assert (sentence.reply_to, sentence.silent) == (card.id, True)
    assert document.document == LOG.data
    assert len(tg.calls("sendDocument")) == 1


async def test_a_file_that_the_server_finds_too_large(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    tg.next("sendDocument", Failure(413, "Request Entity Too Large"))
    await platform.send(HERE, Card("Done", attachments=(LOG,)), key="k1")
    assert [bool(message.document) for message in tg.messages(ming)] == [False, False]
    assert "训练.log" in tg.messages(ming)[1].text


async def test_a_large_picture_is_not_tried_as_one(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    picture = Attachment("curve.png", "image/png", png(90, 90) + bytes(10_000_000), AttachmentKind.PICTURE)
    await platform.send(HERE, Card("Done", attachments=(picture,)), key="k1")
    assert tg.calls("sendPhoto") == []
    assert tg.messages(ming)[1].document == picture.data


@pytest.mark.parametrize(("api_base", "most"), [(None, 50_000_000), ("http://127.0.0.1:8081", 2_000_000_000)])
def test_the_largest_file_that_goes_out(api_base: str | None, most: int) -> None:
    token = "123456789:AAno_server_is_ever_asked_with_this"
    made = TelegramPlatform(token, api_base=api_base, menu=(), offset_store=Memory())
    assert made._outgoing._most_document == most
