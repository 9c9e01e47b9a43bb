"""Starting, staying connected, and keeping the token to ourselves."""

import asyncio
import logging

import pytest

from bot.chat.content import Card, MenuEntry
from bot.chat.errors import PlatformError, Unavailable, UserError
from bot.chat.events import Upload
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram.check import bot_name
from bot.platforms.telegram.menu import commands
from bot.platforms.telegram.redaction import redacted
from bot.platforms.telegram.transport import is_loopback
from tests.fakes.telegram import DropAfter, Failure, Held, HtmlPage, Person, TelegramStandIn, Throttle
from tests.fakes.telegram.profile import menu_of
from tests.platforms.telegram.helpers import MENU, Inbox, LogWatch, Memory, Pauses, platform_for, private

Running = TelegramPlatform


async def test_the_menu_is_in_both_languages_and_fits_its_chats(platform: Running, tg: TelegramStandIn) -> None:
    await tg.wait_for(lambda: ("description", "") in tg.descriptions and ("description", "zh") in tg.descriptions)
    assert tg.commands["all_private_chats", ""] == [
        {"command": "train", "description": "Start training"},
        {"command": "help", "description": "Help"},
        {"command": "invite", "description": "Invite"},
    ]
    assert tg.commands["all_group_chats", "zh"] == [
        {"command": "train", "description": "开始训练"},
        {"command": "help", "description": "帮助"},
    ]
    assert len(tg.commands) == 8
    for language in ("zh", "fr"):
        assert menu_of(tg, language, private=True) == ["train", "help", "invite"]
        assert menu_of(tg, language, private=False) == ["train", "help"]
        assert menu_of(tg, language, private=False, admin=True) == ["train", "help", "invite"]
    for language in ("zh", ""):
        assert [command["command"] for command in tg.commands["default", language]] == ["help"]
    assert "微调" in tg.descriptions["short_description", "zh"]
    assert "Fine-tune" in tg.descriptions["short_description", ""]


def test_a_menu_holds_what_telegram_allows() -> None:
    many = [MenuEntry(f"c{number}", "user", "", {"en": "x" * 300}) for number in range(120)]
    made = commands([MenuEntry("Bad-Name", "user"), MenuEntry("bare", "user"), *many], "zh")
    assert len(made) == 100
    assert (made[0].command, made[0].description) == ("bare", "bare")
    assert len(made[1].description) == 256


async def test_a_menu_that_is_refused_changes_nothing(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch
) -> None:
    tg.next("setMyCommands", Throttle(3600))
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await log.until("the command menu could not be set (RetryAfter)")
    await platform.stop()


async def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    await ming.sends_file("data.jsonl", b"{}")
    upload = (await inbox.message()).uploads[0]
    assert [piece async for piece in platform.fetch(upload)] == [b"{}"]
    await platform.stop()
    assert not is_loopback("https://api.telegram.org")
    assert is_loopback("http://localhost:8081")
    assert is_loopback("http://[::1]:8081")


async def test_a_webhook_is_taken_away_and_nothing_is_dropped(tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    tg.webhook = "https://example.org/hook"
    await ming.says("written before")
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    assert (await inbox.message()).text == "written before"
    await platform.stop()


@pytest.mark.parametrize("token", ["123456789:AAanother_token_that_is_long_enough", "987:" + "x" * 40])
async def test_a_token_that_is_refused(tg: TelegramStandIn, inbox: Inbox, token: str) -> None:
    platform = TelegramPlatform(token, api_base=tg.api_base, menu=(), offset_store=Memory())
    with pytest.raises(UserError) as caught:
        await platform.start(inbox.deliver)
    assert caught.value.key == "telegram_token_refused"
    error: BaseException | None = caught.value
    while error is not None:
        assert token not in str(error)
        error = error.__cause__ or error.__context__
    await platform.stop()


async def test_a_server_that_is_away_at_the_start_is_found_later(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, pauses: Pauses, log: LogWatch
) -> None:
    await tg.shut()
    platform = platform_for(tg, Memory(), pauses)
    await platform.start(inbox.deliver)
    with pytest.raises(Unavailable):
        await platform.send(private(ming.id), Card("hello"), key="k")
    await tg.open()
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await platform.stop()
    assert len([line for line in log.lines if "cannot be reached" in line]) == 1
    assert len([line for line in log.lines if "can be reached again" in line]) == 1


async def test_a_server_that_does_not_answer_holds_the_start_up_for_a_moment_only(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.platforms.telegram.platform.START_SECONDS", 0.1)
    held = Held()
    tg.next("getMe", held)
    platform = platform_for(tg)
    async with asyncio.timeout(3):
        await platform.start(inbox.deliver)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    assert not held.release.is_set()
    assert "WARNING Telegram cannot be reached (TimeoutError); trying again" in log.lines
    await platform.stop()


async def test_a_broken_connection_is_told_once_and_recovery_once(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, pauses: Pauses, log: LogWatch
) -> None:
    tg.next("getUpdates", *[HtmlPage(502) for _ in range(12)])
    platform = platform_for(tg, Memory(), pauses)
    await platform.start(inbox.deliver)
    await ming.says("after the storm")
    assert (await inbox.message()).text == "after the storm"
    await platform.stop()
    assert log.lines == [
        "WARNING Telegram cannot be reached (NetworkError); trying again",
        "INFO Telegram can be reached again",
    ]
    assert len(pauses.seconds) == 12
    assert all(short <= 60 for short in pauses.seconds)
    assert 0.5 <= pauses.seconds[0] <= 1.0
    assert pauses.seconds[11] >= 30
    assert len({round(seconds, 6) for seconds in pauses.seconds}) > 6


async def test_answers_that_are_lost_lose_no_updates(tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    for number in range(3):
        await ming.says(str(number))
    tg.next("getUpdates", DropAfter(), DropAfter())
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    await inbox.until(lambda i: len(i.events) == 3)
    assert inbox.texts == ["0", "1", "2"]
    await platform.stop()


async def test_flood_control_of_the_polling_is_obeyed(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, pauses: Pauses
) -> None:
    tg.next("getUpdates", Throttle(90))
    platform = platform_for(tg, Memory(), pauses)
    await platform.start(inbox.deliver)
    await ming.says("hello")
    await inbox.message()
    assert pauses.seconds[0] == 90
    await platform.stop()


async def test_two_pollers_are_named(tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch) -> None:
    one, two = platform_for(tg), platform_for(tg)
    await one.start(inbox.deliver)
    await tg.wait_for(lambda: tg.calls("getUpdates"))
    await two.start(inbox.deliver)
    await log.until("ERROR another process reads this bot's updates")
    await two.stop()
    await one.stop()


async def test_a_token_that_is_taken_back_later(tg: TelegramStandIn, ming: Person, inbox: Inbox, log: LogWatch) -> None:
    tg.next("getUpdates", Failure(401, "Unauthorized"), Failure(401, "Unauthorized"))
    platform = platform_for(tg)
    await platform.start(inbox.deliver)
    await ming.says("still here")
    await inbox.message()
    await platform.stop()
    told = [line for line in log.lines if "does not accept the bot's token any more" in line]
    assert len(told) == 1


async def test_a_slow_call_holds_up_no_other(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    held = Held()
    tg.next("sendChatAction", held)
    typing = asyncio.create_task(platform.typing(private(ming.id)))
    await tg.wait_for(lambda: tg.calls("sendChatAction"))
    await platform.send(private(ming.id), Card("quick"), key="k")
    assert not typing.done()
    held.release.set()
    await typing


async def test_stop_without_start_and_start_again(tg: TelegramStandIn, ming: Person, inbox: Inbox) -> None:
    platform = platform_for(tg)
    await platform.stop()
    for text in ("one", "two"):
        await platform.start(inbox.deliver)
        await ming.says(text)
        await inbox.until(lambda i, text=text: text in i.texts)  # type: ignore[misc]
        await platform.stop()
    assert inbox.texts == ["one", "two"]


LIBRARIES = ("httpx", "httpcore", "telegram")


async def test_the_token_is_in_no_log_line(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    platform = platform_for(tg)
    # Even for somebody who turned on everything to look for a mistake.
    for name in LIBRARIES:
        caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG)
    again = platform_for(tg)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG)
    tg.next("getUpdates", HtmlPage(502), Failure(401, f"Unauthorized: {tg.token}"))
    await platform.start(inbox.deliver)
    await ming.sends_file("data.jsonl", b"x" * 10)
    upload = (await inbox.message()).uploads[0]
    assert b"".join([piece async for piece in platform.fetch(upload)]) == b"x" * 10
    tg.next("sendMessage", Failure(400, f"Bad Request: {tg.token}"), DropAfter())
    for _ in range(2):
        with pytest.raises(PlatformError):
            await platform.send(private(ming.id), Card("hello"), key="k")
    with pytest.raises(PlatformError):
        _ = [piece async for piece in platform.fetch(Upload("gone", "x"))]
    await platform.stop()
    await again.stop()
    logging.getLogger("bot.platforms.telegram.polling").error("ours", exc_info=ValueError(tg.token))
    assert len(caplog.records) > 30
    assert any(record.name == "httpx" for record in caplog.records)
    assert any(record.name == "telegram.Bot" for record in caplog.records)
    assert tg.token not in caplog.text
    assert tg.token not in "".join(record.getMessage() for record in caplog.records)
    assert redacted(f"https://x/bot{tg.token}/getMe") == "https://x/bot***/getMe"


async def test_the_libraries_are_quiet_unless_asked(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await ming.says("a private thought")
    await inbox.message()
    await platform.send(private(ming.id), Card("a private answer"), key="k")
    assert "private" not in caplog.text.replace("private chat", "")


def test_an_unknown_entry_of_the_menu_is_left_out() -> None:
    assert [command.command for command in commands(MENU, "en")] == ["train", "help", "invite"]


async def test_a_token_can_be_tried_before_anything_starts(tg: TelegramStandIn) -> None:
    assert await bot_name(tg.token, f"{tg.api_base}/") == "tune_test_bot"
    assert await bot_name("123456789:AAanother_token_that_is_long_enough", tg.api_base) is None
    tg.next("getMe", HtmlPage(200))
    assert await bot_name(tg.token, tg.api_base) is None
    await tg.shut()
    assert await bot_name(tg.token, tg.api_base) is None


async def test_a_deep_link_is_known_once_telegram_was_reached(tg: TelegramStandIn, inbox: Inbox) -> None:
    made = platform_for(tg)
    assert made.invitation("join_AB12-cd") is None
    await made.start(inbox.deliver)
    assert made.invitation("join_AB12-cd") == "https://t.me/tune_test_bot?start=join_AB12-cd"
    await made.stop()
