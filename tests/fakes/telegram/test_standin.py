"""The stand-in refuses what Telegram refuses. A stand-in that takes everything proves nothing."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.fakes.telegram import (
    DropAfter,
    DropBefore,
    Failure,
    Group,
    Held,
    HtmlPage,
    Person,
    TelegramStandIn,
    Throttle,
)
from tests.fakes.telegram.client import Client


async def test_who_is_it(api: Client) -> None:
    assert (await api.works("getMe"))["is_bot"] is True
    assert await api("getMe", token="1:wrong") == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    assert await api.refused("sendRocket") == "Not Found: method not found"
    assert "unknown parameter colour" in await api.refused("sendMessage", chat_id=1, text="x", colour="red")
    assert "parameter text" in await api.refused("sendMessage", chat_id=1)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("", "message text is empty"),
        (" \n ", "message text is empty"),
        ("x" * 4097, "message is too long"),
        ("🏠" * 2049, "message is too long"),
    ],
)
async def test_lengths_of_texts(api: Client, ming: Person, text: str, description: str) -> None:
    assert await api.refused("sendMessage", chat_id=1, text=text) == f"Bad Request: {description}"
    shown = await api.works("sendMessage", chat_id=1, text=f" {'🏠' * 2048}\n")
    assert shown["text"] == "🏠" * 2048


@pytest.mark.parametrize(
    "entity",
    [
        {"type": "bold", "offset": 0, "length": 99},
        {"type": "bold", "offset": -1, "length": 2},
        {"type": "bold", "offset": 0, "length": 0},
        {"type": "bold", "offset": 0, "length": 1},
        {"type": "bold", "offset": 1, "length": 1},
        {"type": "loud", "offset": 0, "length": 2},
        {"type": "text_link", "offset": 0, "length": 2},
    ],
)
async def test_entities(api: Client, ming: Person, entity: dict[str, Any]) -> None:
    assert "Bad Request" in await api.refused("sendMessage", chat_id=1, text="🏠!", entities=[entity])


async def test_entities_move_with_what_is_trimmed(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    entity = {"type": "bold", "offset": 3, "length": 2}
    await api.works("sendMessage", chat_id=1, text="\n  🏠!", entities=[entity])
    assert tg.messages(ming)[0].styled("bold") == ["🏠"]
    many = [{"type": "bold", "offset": number, "length": 1} for number in range(150)]
    await api.works("sendMessage", chat_id=1, text="x" * 150, entities=many)
    assert len(tg.messages(ming)[1].entities) == 100


@pytest.mark.parametrize(
    ("button", "description"),
    [
        ({"text": "x", "callback_data": "y" * 65}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": "算" * 22}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "copy_text": {"text": "y" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "x"}, "text buttons are unallowed"),
        ({"text": "", "callback_data": "y"}, "field text is empty"),
        ({"text": "x", "callback_data": "y", "style": "pink"}, "BUTTON_STYLE_INVALID"),
        ({"text": "x", "callback_data": "y", "sound": "z"}, "unknown field sound"),
    ],
)
async def test_buttons(api: Client, ming: Person, button: dict[str, Any], description: str) -> None:
    markup = {"inline_keyboard": [[button]]}
    assert description in await api.refused("sendMessage", chat_id=1, text="x", reply_markup=markup)


async def test_edits(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    markup = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
    number = (await api.works("sendMessage", chat_id=1, text="one", reply_markup=markup))["message_id"]
    (shown,) = tg.messages(ming)
    same = await api.refused("editMessageText", chat_id=1, message_id=number, text="one\n", reply_markup=markup)
    assert "message is not modified" in same
    await api.works("editMessageText", chat_id=1, message_id=number, text="two", reply_markup=markup)
    assert shown.labels == ["a"]
    await api.works("editMessageText", chat_id=1, message_id=number, text="two")
    assert shown.labels == []
    assert shown.edits == ["two", "two"]
    await api.works("editMessageReplyMarkup", chat_id=1, message_id=number, reply_markup=markup)
    assert shown.labels == ["a"]
    theirs = await ming.says("mine")
    assert "can't be edited" in await api.refused("editMessageText", chat_id=1, message_id=theirs.id, text="x")
    await api.works("deleteMessage", chat_id=1, message_id=number)
    gone = await api.refused("editMessageText", chat_id=1, message_id=number, text="x")
    assert gone == "Bad Request: message to edit not found"
    assert "not found" in await api.refused("deleteMessage", chat_id=1, message_id=number)


async def test_places(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    async def refused(**where: Any) -> str:
        return await api.refused("sendMessage", text="x", **where)

    team: Group = tg.group(-100, "Team", 5, 6)
    team.closed.add(6)
    assert await refused(chat_id=404) == "Bad Request: chat not found"
    assert await refused(chat_id=-100, message_thread_id=7) == "Bad Request: message thread not found"
    assert await refused(chat_id=-100, message_thread_id=6) == "Bad Request: TOPIC_CLOSED"
    assert "replied not found" in await refused(chat_id=-100, reply_parameters={"message_id": 999})
    await api.works("sendMessage", text="x", chat_id=-100, message_thread_id=5)
    team.moved_to = -200
    assert (await api("sendMessage", text="x", chat_id=-100))["parameters"] == {"migrate_to_chat_id": -200}
    await ming.blocks()
    assert await refused(chat_id=1) == "Forbidden: bot was blocked by the user"


async def test_updates_are_confirmed_by_the_offset(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    for number in range(3):
        await ming.says(str(number))
    first = await api.works("getUpdates")
    assert [update["message"]["text"] for update in first] == ["0", "1", "2"]
    assert await api.works("getUpdates") == first
    assert await api.works("getUpdates", limit=1) == first[:1]
    assert await api.works("getUpdates", offset=first[1]["update_id"]) == first[1:]
    assert await api.works("getUpdates") == first[1:]
    assert await api.works("getUpdates", offset=first[2]["update_id"] + 1) == []
    assert tg.updates.confirmed == [update["update_id"] for update in first]
    assert "limit" in await api.refused("getUpdates", limit=101)


async def test_an_offset_far_ahead_confirms_nothing(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    await ming.says("here")
    assert len(await api.works("getUpdates", offset=tg.updates.next_id + 100)) == 1
    assert tg.updates.confirmed == []


async def test_long_polling_and_the_kinds_that_are_wanted(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    waiting = asyncio.create_task(api.works("getUpdates", timeout=30, allowed_updates=["message"]))
    await tg.wait_for(lambda: tg.updates.allowed)
    shown = await ming.says("news")
    assert [update["message"]["text"] for update in await waiting] == ["news"]
    await ming.edits(shown, "newer")
    assert len(await api.works("getUpdates")) == 1
    assert await api.works("getUpdates", offset=tg.updates.next_id, timeout=0) == []


async def test_two_pollers(api: Client, tg: TelegramStandIn) -> None:
    first = asyncio.create_task(api.refused("getUpdates", timeout=30))
    await tg.wait_for(lambda: tg.calls("getUpdates"))
    second = asyncio.create_task(api.works("getUpdates", timeout=30))
    assert "terminated by other getUpdates request" in await first
    await tg.person(1).says("x")
    assert len(await second) == 1
    tg.webhook = "https://example.org"
    assert "webhook is active" in await api.refused("getUpdates")
    assert (await api.works("getWebhookInfo"))["url"] == "https://example.org"
    await api.works("deleteWebhook", drop_pending_updates=True)
    assert await api.works("getUpdates") == []


async def test_pressed_buttons(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    markup = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
    await api.works("sendMessage", chat_id=1, text="x", reply_markup=markup)
    query = await ming.presses(tg.messages(ming)[0], "a")
    (update,) = await api.works("getUpdates")
    assert update["callback_query"]["data"] == "b"
    assert "LONG" in await api.refused("answerCallbackQuery", callback_query_id=query.id, text="x" * 201)
    await api.works("answerCallbackQuery", callback_query_id=query.id, text="ok", show_alert=True)
    assert query.answer == {"text": "ok", "show_alert": True}
    again = await ming.presses(tg.messages(ming)[0], "b")
    tg.expire_queries()
    assert "query is too old" in await api.refused("answerCallbackQuery", callback_query_id=again.id)
    with pytest.raises(AssertionError):
        await ming.presses(tg.messages(ming)[0], "no such button")


async def test_files(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    await ming.sends_file("a.jsonl", b"{}")
    (update,) = await api.works("getUpdates")
    found = await api.works("getFile", file_id=update["message"]["document"]["file_id"])
    address = f"{tg.api_base}/file/bot{tg.token}/{found['file_path']}"
    async with api.session.get(address) as response:
        assert await response.read() == b"{}"
    async with api.session.get(address.replace(tg.token, "1:wrong")) as response:
        assert response.status == 404
    big = await ming.sends_file("b.jsonl", b"{}", size=(20 << 20) + 1)
    description = await api.refused("getFile", file_id=big.raw["document"]["file_id"])
    assert description == "Bad Request: file is too big"
    assert "invalid file_id" in await api.refused("getFile", file_id="FILE99")
    assert "IMAGE_PROCESS_FAILED" in await _uploaded(api, "sendPhoto", photo=b"no picture")
    assert "non-empty" in await _uploaded(api, "sendDocument", document=b"")


async def _uploaded(api: Client, method: str, **files: bytes) -> str:
    form = aiohttp.FormData({"chat_id": "1"})
    for name, data in files.items():
        form.add_field(name, data, filename="x.bin")
    async with api.session.post(f"{api.tg.api_base}/bot{api.tg.token}/{method}", data=form) as response:
        return str((await response.json())["description"])


async def test_the_profile(api: Client, tg: TelegramStandIn) -> None:
    command = {"command": "train", "description": "Train"}
    await api.works("setMyCommands", commands=[command], language_code="zh")
    assert tg.commands == {("default", "zh"): [command]}
    bad = {"command": "Train!", "description": "Train"}
    assert "BOT_COMMAND_INVALID" in await api.refused("setMyCommands", commands=[bad])
    assert "TOO_MUCH" in await api.refused("setMyCommands", commands=[command] * 101)
    assert "language_code" in await api.refused("setMyCommands", commands=[command], language_code="chinese")
    assert "too long" in await api.refused("setMyShortDescription", short_description="x" * 121)
    assert "too long" in await api.refused("setMyDescription", description="x" * 513)


async def test_small_things(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    await api.works("sendChatAction", chat_id=1, action="typing")
    assert "action" in await api.refused("sendChatAction", chat_id=1, action="dancing")
    shown = await ming.says("x")
    await api.works("setMessageReaction", chat_id=1, message_id=shown.id, reaction=[{"type": "emoji", "emoji": "👍"}])
    assert tg.reactions[shown.id][0]["emoji"] == "👍"


async def test_troubles(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    held = Held()
    tg.next("sendMessage", Throttle(9), Failure(400, "Bad Request: no"), HtmlPage(502), DropBefore(), DropAfter(), held)
    answer = await api("sendMessage", chat_id=1, text="x")
    assert (answer["error_code"], answer["parameters"]) == (429, {"retry_after": 9})
    assert await api.refused("sendMessage", chat_id=1, text="x") == "Bad Request: no"
    url = f"{tg.api_base}/bot{tg.token}/sendMessage"
    async with api.session.post(url, data={"chat_id": 1, "text": "x"}) as response:
        assert (response.status, response.content_type) == (502, "text/html")
    for count in (0, 1):
        with pytest.raises(aiohttp.ClientError):
            await api("sendMessage", chat_id=1, text="x")
        assert len(tg.messages(ming)) == count
    waiting = asyncio.create_task(api.works("sendMessage", chat_id=1, text="held"))
    await tg.wait_for(lambda: len(tg.calls("sendMessage")) == 6)
    assert len(tg.messages(ming)) == 1
    held.release.set()
    await waiting
    assert [call.outcome for call in tg.calls("sendMessage")] == [
        "Too Many Requests: retry after 9",
        "Bad Request: no",
        "HTML page 502",
        "dropped before",
        "ok",
        "ok",
    ]
