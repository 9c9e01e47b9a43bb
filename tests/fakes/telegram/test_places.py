"""Chats that change, close and move; drafts; the profile; limits of a local server."""

from typing import Any

import pytest

from tests.fakes.telegram import Person, Slow, TelegramStandIn
from tests.fakes.telegram.client import Client
from tests.fakes.telegram.profile import menu_of
from tests.fakes.telegram.refusals import ApiError, check_photo


def mark(kind: str, offset: int, length: int) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, "url": "https://a.b"}


@pytest.mark.parametrize(
    ("one", "other", "fine"),
    [
        (mark("bold", 0, 6), mark("italic", 2, 6), True),
        (mark("bold", 0, 6), mark("text_link", 2, 2), True),
        (mark("blockquote", 0, 8), mark("pre", 2, 2), True),
        (mark("blockquote", 0, 8), mark("text_link", 2, 2), True),
        (mark("code", 0, 2), mark("code", 2, 2), True),
        (mark("bold", 0, 6), mark("code", 2, 2), False),
        (mark("code", 0, 6), mark("bold", 2, 2), False),
        (mark("blockquote", 0, 4), mark("pre", 2, 4), False),
        (mark("blockquote", 0, 8), mark("expandable_blockquote", 2, 2), False),
        (mark("text_link", 0, 8), mark("text_link", 2, 2), False),
        (mark("text_link", 0, 4), mark("mention", 2, 4), False),
    ],
)
async def test_nesting(api: Client, ming: Person, one: dict[str, Any], other: dict[str, Any], fine: bool) -> None:
    for entities in ([one, other], [other, one]):
        answer = await api("sendMessage", chat_id=1, text="0123456789", entities=entities)
        assert answer["ok"] is fine


async def test_a_group_becomes_a_supergroup(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    old = tg.group(-5)
    new = await tg.migrates(old, -1005, ming)
    first, second = await api.works("getUpdates")
    assert first["message"]["chat"] == {"id": -5, "type": "group", "title": "Team", "is_forum": False}
    assert first["message"]["migrate_to_chat_id"] == new.id == -1005
    assert second["message"]["migrate_from_chat_id"] == -5
    assert (await api("sendMessage", chat_id=-5, text="x"))["parameters"] == {"migrate_to_chat_id": -1005}
    await api.works("sendMessage", chat_id=-1005, text="x")


async def test_standing_in_a_group(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    team = tg.group(-100)
    for member, reason in (
        ("kicked", "bot was kicked from the supergroup chat"),
        ("left", "bot is not a member"),
        ("restricted", "not enough rights to send text messages"),
    ):
        await tg.changes_standing(team, member, ming)
        assert reason in await api.refused("sendMessage", chat_id=-100, text="x")
    await tg.changes_standing(team, "administrator", ming)
    await api.works("sendMessage", chat_id=-100, text="x")
    updates = await api.works("getUpdates")
    told = [update["my_chat_member"]["new_chat_member"]["status"] for update in updates]
    assert told == ["kicked", "left", "restricted", "administrator"]


async def test_a_person_lets_the_bot_in_again(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    await ming.blocks()
    assert await api.refused("sendMessage", chat_id=1, text="x") == "Forbidden: bot was blocked by the user"
    await ming.unblocks()
    await api.works("sendMessage", chat_id=1, text="x")


async def test_drafts(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    await api.works("sendMessageDraft", chat_id=1, draft_id=7, text="")
    await api.works("sendMessageDraft", chat_id=1, draft_id=7, text="算", entities=[mark("bold", 0, 1)])
    assert (tg.drafts[1].id, tg.drafts[1].text) == (7, "算")
    assert tg.messages(ming) == []
    assert "ID_INVALID" in await api.refused("sendMessageDraft", chat_id=1, draft_id=0, text="x")
    assert "too long" in await api.refused("sendMessageDraft", chat_id=1, draft_id=7, text="x" * 4097)
    tg.group(-100)
    assert "TEXTDRAFT_PEER_INVALID" in await api.refused("sendMessageDraft", chat_id=-100, draft_id=7, text="x")
    await api.works("sendMessage", chat_id=1, text="算命")
    assert tg.drafts == {}


async def test_menus_per_scope_and_language(api: Client, tg: TelegramStandIn) -> None:
    async def sets(name: str, kind: str, language: str = "") -> None:
        command = {"command": name, "description": name}
        await api.works("setMyCommands", commands=[command], scope={"type": kind}, language_code=language)

    await sets("everywhere", "default")
    await sets("private", "all_private_chats")
    await sets("private_zh", "all_private_chats", "zh")
    await sets("admin", "all_chat_administrators")
    assert menu_of(tg, "en", private=True) == ["private"]
    assert menu_of(tg, "zh", private=True) == ["private_zh"]
    assert menu_of(tg, "zh", private=False) == ["everywhere"]
    assert menu_of(tg, "zh", private=False, admin=True) == ["admin"]
    assert await api.works("getMyCommands", scope={"type": "all_private_chats"}, language_code="zh") == [
        {"command": "private_zh", "description": "private_zh"}
    ]
    await api.works("deleteMyCommands", scope={"type": "all_private_chats"}, language_code="zh")
    assert menu_of(tg, "zh", private=True) == ["private"]
    assert "unsupported type" in await api.refused("setMyCommands", commands=[], scope={"type": "friends"})
    assert "wrong fields" in await api.refused("setMyCommands", commands=[], scope={"type": "chat"})


async def test_a_local_server_takes_large_files() -> None:
    async with TelegramStandIn(local=True) as tg:
        stored = tg.store("documents/large.bin", b"", (2000 << 20) - 1)
        assert tg.file(stored.id) is stored
    with pytest.raises(ApiError, match="too big for a photo"):
        check_photo(b"\x89PNG\r\n\x1a\n" + bytes(10 << 20))


async def test_calls_may_come_as_json_and_slowly(api: Client, tg: TelegramStandIn, ming: Person) -> None:
    tg.latency = 0.02
    tg.next("sendMessage", Slow(0.03))
    url = f"{tg.api_base}/bot{tg.token}/sendMessage"
    async with api.session.post(url, json={"chat_id": 1, "text": "x"}) as response:
        assert (await response.json())["ok"]
    (call,) = tg.timeline
    assert call.answered is not None
    assert call.answered - call.arrived >= 0.03
