"""Drafts: for those who switched them on, in private chats, followed by a real message."""

from collections.abc import AsyncIterator

import pytest

from bot.chat.content import Answer, AnswerState, Button
from bot.chat.errors import Blocked, Refused, Throttled
from bot.chat.platform import Drafting, Platform
from bot.platforms.telegram import DraftingTelegramPlatform
from bot.platforms.telegram.drafting import draft_id
from tests.fakes.telegram import Failure, Person, TelegramStandIn, Throttle
from tests.platforms.telegram.helpers import MENU, Inbox, Memory, Pauses, group, platform_for, private

HERE = private(1001)


@pytest.fixture
async def platform(tg: TelegramStandIn, ming: Person, inbox: Inbox) -> AsyncIterator[DraftingTelegramPlatform]:
    made = DraftingTelegramPlatform(tg.token, api_base=tg.api_base, menu=MENU, offset_store=Memory(), pause=Pauses())
    await made.start(inbox.deliver)
    yield made
    await made.stop()


async def test_a_draft_grows_and_becomes_a_message(
    platform: DraftingTelegramPlatform, tg: TelegramStandIn, ming: Person
) -> None:
    stop = ((Button("Stop", token="s"),),)
    for text in ("**Mo", "**Move** 🏠"):
        await platform.draft(HERE, Answer(text, AnswerState.STREAMING, "", stop), key="answer-1")
    draft = tg.drafts[ming.id]
    assert draft.text == "Move 🏠"
    assert [entity["type"] for entity in draft.entities] == ["bold"]
    assert {call.parameters["draft_id"] for call in tg.calls("sendMessageDraft")} == {str(draft_id("answer-1"))}
    assert tg.messages(ming) == []
    await platform.send(HERE, Answer("**Move** 🏠", AnswerState.DONE), key="answer-1")
    assert tg.drafts == {}


async def test_where_drafts_are_not_to_be_had(platform: DraftingTelegramPlatform, tg: TelegramStandIn) -> None:
    tg.group(-100)
    answer = Answer("Move", AnswerState.STREAMING)
    with pytest.raises(Refused):
        await platform.draft(group(-100), answer, key="k")
    assert tg.calls("sendMessageDraft") == []
    # A server that is older than drafts.
    tg.next("sendMessageDraft", Failure(404, "Not Found"))
    with pytest.raises(Refused):
        await platform.draft(HERE, answer, key="k")
    tg.next("sendMessageDraft", Failure(400, "Bad Request: TEXTDRAFT_PEER_INVALID"), Throttle(7))
    with pytest.raises(Refused):
        await platform.draft(HERE, answer, key="k")
    with pytest.raises(Throttled):
        await platform.draft(HERE, answer, key="k")
    with pytest.raises(Blocked):
        await platform.draft(private(404), answer, key="k")


async def test_a_draft_that_is_refused_formatted(
    platform: DraftingTelegramPlatform, tg: TelegramStandIn, ming: Person
) -> None:
    tg.next("sendMessageDraft", Failure(400, "Bad Request: can't parse entities: whatever"))
    await platform.draft(HERE, Answer("**Move**", AnswerState.STREAMING), key="k")
    assert tg.drafts[ming.id].text == "**Move**"


def test_only_who_switched_them_on_has_drafts(platform: DraftingTelegramPlatform, tg: TelegramStandIn) -> None:
    assert isinstance(platform, Platform)
    assert isinstance(platform, Drafting)
    assert not isinstance(platform_for(tg), Drafting)


def test_the_number_of_a_draft() -> None:
    numbers = {draft_id(f"key {number}") for number in range(1000)}
    assert len(numbers) == 1000
    assert all(0 < number < 2**31 for number in numbers)
