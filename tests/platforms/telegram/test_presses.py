"""Buttons: each press is answered, once."""

import asyncio

from bot.chat.events import Ack, Event, Press
from bot.platforms.telegram import TelegramPlatform
from tests.fakes.telegram import DropBefore, Person, Shown, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox, LogWatch

Running = TelegramPlatform


async def test_a_press_is_answered_with_what_deliver_says(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    inbox.ack = Ack("已开始", alert=True)
    query = await ming.presses(await with_button(tg, ming), "Go")
    await tg.wait_for(lambda: query.answer)
    assert query.answer == {"text": "已开始", "show_alert": True}
    press = await inbox.press()
    assert press.token == "tok"
    assert press.author.id == "1001"


async def test_a_press_that_took_too_long_is_no_error(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch
) -> None:
    async def expire(_: Event) -> None:
        tg.expire_queries()

    inbox.before = expire
    await ming.presses(await with_button(tg, ming), "Go")
    await log.until("DEBUG a press was answered too late: Query is too old")
    assert all(line.startswith("DEBUG") for line in log.lines)


async def test_a_press_whose_answer_gets_lost_is_no_error(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch
) -> None:
    tg.next("answerCallbackQuery", DropBefore())
    await ming.presses(await with_button(tg, ming), "Go")
    await log.until("INFO a press was not answered: NetworkError")
    await ming.says("and on")
    await inbox.until(lambda i: i.texts == ["and on"])


async def test_a_press_that_fails_for_good_tells_the_person(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    async def refuse(_: Event) -> None:
        raise ValueError("no")

    inbox.before = refuse
    query = await ming.presses(await with_button(tg, ming), "Go")
    await tg.wait_for(lambda: query.answer)
    assert query.answer is not None
    assert query.answer["text"].startswith("操作没有成功")


async def test_a_press_that_takes_long_makes_nobody_wait(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    done = asyncio.Event()

    async def long(event: Event) -> None:
        if isinstance(event, Press):
            await done.wait()

    inbox.handling, inbox.ack = long, Ack("done")
    query = await ming.presses(await with_button(tg, ming), "Go")
    await inbox.until(lambda i: bool(i.tried))
    # Telegram tells no more than a hundred updates that are not confirmed.
    others = [tg.person(2000 + number, f"P{number}") for number in range(130)]
    for other in others:
        await other.says("hello")
    await ming.says("and I")
    await inbox.until(lambda i: len(i.texts) == len(others) + 1)
    assert query.answer is None
    done.set()
    await tg.wait_for(lambda: query.answer)
    await tg.wait_for(lambda: len(tg.updates.confirmed) == len(others) + 2)


async def with_button(tg: TelegramStandIn, ming: Person) -> Shown:
    message = tg.new_message(ming.id, None, "a card")
    message.keyboard = [[{"text": "Go", "callback_data": "tok"}]]
    message.raw |= {"from": tg.me, "text": "a card"}
    return message
