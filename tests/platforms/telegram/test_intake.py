"""What comes in: in order, once, and never lost."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bot.chat.events import Event, Message
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram.polling import REPEATED_SECONDS, Polling
from tests.fakes.telegram import BrokenJson, Person, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox, Memory, Pauses, platform_for
from tests.platforms.telegram.intake_contract import IntakeContract

Running = TelegramPlatform


async def test_messages_arrive_in_order(platform: Running, ming: Person, inbox: Inbox) -> None:
    for number in range(20):
        await ming.says(f"message {number}")
    await inbox.until(lambda i: len(i.events) == 20)
    assert inbox.texts == [f"message {number}" for number in range(20)]
    assert len({event.id for event in inbox.events}) == 20


async def test_all_is_confirmed_and_saved_in_the_end(
    platform: Running, tg: TelegramStandIn, ming: Person, memory: Memory
) -> None:
    for number in range(5):
        await ming.says(str(number))
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 5)
    assert memory.offset == tg.updates.next_id


async def test_a_slow_chat_does_not_hold_up_another_and_is_not_confirmed(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory
) -> None:
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        if event.place.chat == str(ming.id):
            await release.wait()

    inbox.before = slow
    first = tg.updates.next_id
    await ming.says("slow")
    await ming.says("slow too")
    for number in range(3):
        await tg.person(1002).says(f"quick {number}")
    await inbox.until(lambda i: len(i.events) == 3)
    assert inbox.texts == ["quick 0", "quick 1", "quick 2"]
    polls = len(tg.calls("getUpdates"))
    await tg.wait_for(lambda: len(tg.calls("getUpdates")) > polls + 1)
    assert tg.updates.confirmed == []
    assert memory.offset == first
    release.set()
    await inbox.until(lambda i: len(i.events) == 5)
    assert inbox.texts[3:] == ["slow", "slow too"]
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 5)
    assert len(inbox.tried) == 5


async def test_what_was_not_stored_is_tried_again_before_what_follows(
    platform: Running, ming: Person, inbox: Inbox, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    failures = 2

    async def fails_twice(event: Event) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("the disk is full")

    inbox.before = fails_twice
    await ming.says("one")
    await ming.says("two")
    await inbox.until(lambda i: len(i.events) == 2)
    assert inbox.texts == ["one", "two"]
    assert len({event.id for event in inbox.tried}) == 2
    assert len(pauses.seconds) == 2
    assert [record for record in caplog.records if "was not taken in, try 1 of" in record.getMessage()]


async def test_a_kill_repeats_what_was_in_flight_and_nothing_else(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory
) -> None:
    never = asyncio.Event()

    async def hangs(event: Event) -> None:
        if isinstance(event, Message) and event.text == "3":
            await never.wait()

    inbox.before = hangs
    doomed = platform_for(tg, memory)
    await doomed.start(inbox.deliver)
    for number in range(6):
        await ming.says(str(number))
    await inbox.until(lambda i: len(i.tried) == 4)
    await _kill(doomed)
    inbox.before = None
    again = platform_for(tg, memory)
    await again.start(inbox.deliver)
    await inbox.until(lambda i: len(i.events) == 6)
    assert inbox.texts == ["0", "1", "2", "3", "4", "5"]
    in_flight = [event.id for event in inbox.tried if isinstance(event, Message) and event.text == "3"]
    assert len(in_flight) == 2
    assert len(set(in_flight)) == 1
    assert len(inbox.tried) == 7
    await again.stop()


async def _kill(platform: TelegramPlatform) -> None:
    """End it as a kill does: nothing more is delivered, saved or confirmed."""
    way, reading = platform._way, platform._reading
    assert isinstance(way, Polling)
    intake = way._intake
    assert intake is not None
    assert reading is not None
    tasks = [reading, *intake._workers, *intake._attempts]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for request in platform._requests:
        await request.shutdown()


async def test_three_real_kills_lose_nothing(tg: TelegramStandIn, ming: Person, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    numbers = [str(number) for number in range(20)]
    for number in numbers:
        await ming.says(number)
    for stop_after in (4, 9, 13, 20):
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.platforms.telegram.victim", tg.api_base, tg.token, str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert victim.stdout is not None
        async with asyncio.timeout(30):
            while await victim.stdout.readline():
                if len(set(taken.read_text().split())) >= stop_after:
                    break
        victim.kill()
        await victim.communicate()
    lines = taken.read_text().split()
    assert list(dict.fromkeys(lines)) == numbers
    # The one that was stored while the position was not: its id is the same, so the inbox knows it.
    assert len(lines) - len(numbers) <= 3


async def test_stored_and_not_yet_confirmed_is_not_delivered_twice(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory
) -> None:
    for number in range(3):
        await ming.says(str(number))
    memory.offset = tg.updates.next_id - 1
    platform = platform_for(tg, memory)
    await platform.start(inbox.deliver)
    await inbox.message()
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 3)
    assert inbox.texts == ["2"]
    await platform.stop()


@pytest.mark.parametrize("foreign", [5, 700_000_000])
async def test_a_position_of_another_bot_loses_nothing(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory, foreign: int
) -> None:
    memory.offset = foreign
    await ming.says("hello")
    platform = platform_for(tg, memory)
    await platform.start(inbox.deliver)
    await ming.says("again")
    await inbox.until(lambda i: len(i.events) == 2)
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert memory.offset == tg.updates.next_id
    await platform.stop()


async def test_stop_waits_for_what_is_being_stored(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory
) -> None:
    release = asyncio.Event()

    async def slow(_: Event) -> None:
        await release.wait()

    inbox.before = slow
    platform = platform_for(tg, memory)
    await platform.start(inbox.deliver)
    await ming.says("being stored")
    await ming.says("not begun")
    await inbox.until(lambda i: len(i.tried) == 1)
    stopping = asyncio.create_task(platform.stop())
    assert not (await asyncio.wait({stopping}, timeout=0.5))[0]
    release.set()
    await stopping
    assert inbox.texts == ["being stored"]
    assert len(inbox.tried) == 1
    assert memory.offset == tg.updates.next_id - 1


async def test_stop_ends_the_long_poll_at_once(
    tg: TelegramStandIn, inbox: Inbox, recwarn: pytest.WarningsRecorder
) -> None:
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    await tg.wait_for(lambda: tg.calls("getUpdates"))
    async with asyncio.timeout(2):
        await platform.stop()
    await platform.stop()
    assert not recwarn.list


async def test_telegram_may_begin_its_numbers_anew(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory
) -> None:
    await ming.says("before the quiet week")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 1)
    tg.updates.next_id = 50
    await ming.says("after it")
    await ming.says("and on")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 3)
    assert inbox.texts == ["before the quiet week", "after it", "and on"]
    assert memory.offset == 52


async def test_a_server_that_repeats_itself_is_not_asked_in_a_hurry(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, pauses: Pauses
) -> None:
    await ming.says("once")
    await inbox.message()
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 1)
    old = {
        "update_id": tg.updates.confirmed[0],
        "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "x"}},
    }
    tg.next("getUpdates", *[BrokenJson(json.dumps({"ok": True, "result": [old]})) for _ in range(4)])
    await ming.says("twice")
    await inbox.message(1)
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    await ming.says("hidden behind old news")
    await inbox.message(2)
    assert pauses.seconds.count(REPEATED_SECONDS) >= 3
    assert inbox.texts == ["once", "twice", "hidden behind old news"]


async def test_a_position_that_cannot_be_saved_stops_nothing(
    platform: Running, ming: Person, inbox: Inbox, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    memory.error = OSError("the disk is full")
    await ming.says("one")
    await ming.says("two")
    await inbox.until(lambda i: len(i.events) == 2)
    memory.error = None
    await ming.says("three")
    await inbox.until(lambda i: len(i.events) == 3)
    assert inbox.texts == ["one", "two", "three"]
    assert any("was not saved" in record.getMessage() for record in caplog.records)


class TestPolled(IntakeContract):
    pass
