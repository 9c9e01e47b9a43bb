"""The page in a real browser: what a person does with it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, FilePayload, Page, WebSocketRoute, expect

from bot.chat.content import Answer, AnswerState, Button, Card
from bot.chat.places import MessageRef, Place
from tests.platforms.web.conftest import House
from tests.platforms.web.fakes import EchoBot

pytestmark = pytest.mark.browser
PLACE = Place("web", "room-account-1")


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def restart(house: House, bot: EchoBot) -> None:
    await house.close()
    bot.platform = await house.open(bot.deliver)


async def test_signing_in_by_a_link_and_out_again(page: Page, house: House) -> None:
    assert "code" not in page.url
    assert next(iter(house.door.sessions.values())).name == "Ming"
    await expect(page.locator("#welcome")).to_be_visible()
    await page.click("#leave")
    await expect(page.locator("#code")).to_be_visible()
    assert house.door.sessions == {}
    await page.fill("#code", "wrong")
    await page.fill("#name", "Eve")
    await page.click("#enter")
    await expect(page.locator("#error")).not_to_be_empty()
    await expect(page.locator("#code")).to_be_focused()


async def test_a_message_and_its_echo(page: Page, bot: EchoBot) -> None:
    await say(page, "hello\nworld")
    await expect(page.locator(".entry.person .said")).to_have_text("hello\nworld")
    await expect(page.locator(".card h2")).to_have_text("echo hello\nworld")
    await expect(page.locator("#pending li")).to_have_count(0)
    await expect(page.locator("#welcome")).to_be_hidden()
    assert bot.texts == ["hello\nworld"]


async def test_what_is_far_too_long_is_refused_here_and_holds_up_nothing(page: Page, bot: EchoBot) -> None:
    await say(page, "x" * 300_000)
    refused = page.locator("#pending .error")
    await expect(refused).to_contain_text("20000")
    await page.reload()
    await expect(refused).to_contain_text("20000")
    await say(page, "short")
    await expect(page.locator("#timeline")).to_contain_text("echo short")
    await refused.get_by_role("button", name="Discard").click()
    await expect(refused).to_have_count(0)


async def test_an_answer_streams_into_one_message(page: Page, bot: EchoBot) -> None:
    bot.go_on.clear()
    await say(page, "stream The **old** river\n\n- knows")
    await expect(page.locator(".dots")).to_be_visible()
    bot.go_on.set()
    await expect(page.locator(".words strong")).to_have_text("old")
    await expect(page.locator(".note")).to_have_text("the end")
    await expect(page.locator(".words li")).to_have_text("knows")
    await expect(page.locator(".streaming")).to_have_count(0)
    await expect(page.locator(".answer")).to_have_count(1)
    await expect(page.locator("#announcer")).to_contain_text("The old river")


async def test_a_button_is_busy_until_it_is_acknowledged(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    card = Card(title="Job", buttons=((Button("Go", token="go"), Button("Stop", token="alert")),))
    ref = await bot.platform.send(PLACE, card, key="1")
    go = page.get_by_role("button", name="Go", exact=True)
    bot.go_on.clear()
    await go.click()
    await expect(go).to_have_attribute("aria-busy", "true")
    await bot.platform.edit(ref, Card(title="Job changed", buttons=card.buttons))
    await expect(page.locator(".card h2")).to_have_text("Job changed")
    await expect(go).to_be_focused()
    await expect(go).to_have_attribute("aria-busy", "true")
    bot.go_on.set()
    await expect(page.locator(".toast")).to_have_text("pressed go")
    await expect(go).not_to_have_attribute("aria-busy", "true")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("pressed alert")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_copying(page: Page, bot: EchoBot, context: BrowserContext) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert bot.platform is not None
    card = Card(title="Confirm", buttons=((Button("Copy the command", copy="/train 3"),),))
    await bot.platform.send(PLACE, card, key="1")
    await page.get_by_role("button", name="Copy the command").click()
    await expect(page.locator(".toast")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == "/train 3"


async def test_an_upload_shows_its_progress_and_can_be_cancelled(
    page: Page, house: House, bot: EchoBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    assert bot.platform is not None
    incoming = bot.platform._incoming
    receive = incoming.receive

    async def gated(pieces: AsyncIterator[bytes], limit: int) -> tuple[str, int]:
        async def slowly() -> AsyncIterator[bytes]:
            async for piece in pieces:
                yield piece
                await gate.wait()

        return await receive(slowly(), limit)

    monkeypatch.setattr(incoming, "receive", gated)
    file = FilePayload(name="数据.jsonl", mimeType="text/plain", buffer=b"x" * 11_000_000)
    await page.set_input_files("#files", files=[file])
    await page.wait_for_function(
        "() => { const b = document.querySelector('#uploads progress'); return b && b.value > 0 && b.value < b.max }"
    )
    await expect(page.locator("#uploads .file-size")).to_have_text(re.compile(r"of 11 MB"))
    await page.get_by_role("button", name="Cancel 数据.jsonl").click()
    await expect(page.locator("#uploads")).to_be_hidden()
    gate.set()
    await page.set_input_files("#files", files=[file])
    await expect(page.locator(".card h2")).to_have_text("数据.jsonl: 11000000 bytes")
    await expect(page.locator(".entry.person .file-name")).to_have_text("数据.jsonl")
    await expect(page.locator(".reply")).to_contain_text("数据.jsonl")
    await expect(page.locator("#uploads")).to_be_hidden()
    assert len(bot.uploads) == 1
    assert [path.suffix for path in house.incoming.iterdir()] == [""]


async def test_files_can_be_dropped_and_too_large_ones_are_refused_here(page: Page, bot: EchoBot) -> None:
    drop = """size => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x".repeat(size)], `${size}.txt`));
        document.dispatchEvent(new DragEvent("dragenter", {dataTransfer: transfer, bubbles: true}));
        window.overlay = !document.getElementById("drop").hidden;
        document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }"""
    await page.evaluate(drop, 10)
    assert await page.evaluate("window.overlay")
    await expect(page.locator(".card h2")).to_have_text("10.txt: 10 bytes")
    await page.evaluate(drop, 12_000_001)
    await expect(page.locator("#uploads .error")).to_contain_text("at most 12 MB")
    await page.get_by_role("button", name="Cancel 12000001.txt").click()
    await expect(page.locator("#uploads")).to_be_hidden()
    assert len(bot.uploads) == 1


async def test_commands_complete_by_keyboard(page: Page, bot: EchoBot) -> None:
    text = page.locator("#text")
    await text.press_sequentially("/")
    options = page.get_by_role("option")
    await expect(options).to_have_count(4)
    await expect(page.locator("#announcer")).to_contain_text("4 commands")
    await expect(text).to_have_attribute("aria-activedescendant", "option-0")
    await text.press_sequentially("tr")
    await expect(options).to_have_count(2)
    await text.press("ArrowDown")
    await expect(page.locator("[aria-selected=true]")).to_contain_text("/try")
    await text.press("ArrowUp")
    await text.press("Tab")
    await expect(text).to_have_value("/train ")
    await expect(text).to_be_focused()
    await expect(page.locator("#completion")).to_be_hidden()
    await text.fill("")
    await text.press_sequentially("/s")
    await text.press("Escape")
    await expect(page.locator("#completion")).to_be_hidden()
    await text.fill("/start")
    await text.press("Enter")
    await expect(page.locator(".card h2")).to_contain_text("echo /start")
    assert bot.texts == ["/start"]


async def test_commands_in_a_card_can_be_tapped_but_not_those_of_a_model(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    await bot.platform.send(PLACE, Card(title="看 /job_12。或 https://x.test/job /tmp/a a/b"), key="1")
    await bot.platform.send(PLACE, Answer("try /job_13", AnswerState.DONE), key="2")
    await expect(page.locator(".answer")).to_be_visible()
    await expect(page.locator(".chip")).to_have_text(["/job_12"])
    await page.click(".chip")
    await expect(page.locator(".entry.person .said")).to_have_text("/job_12")


async def test_the_language_switches_here_and_there(page: Page, bot: EchoBot) -> None:
    await say(page, "hello")
    await page.click("#language")
    await expect(page.locator("#state")).to_have_text("已连接")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(page.locator("#text")).to_have_attribute("placeholder", re.compile("算命"))
    await expect(page.locator(".entry.person")).to_have_count(1)
    await page.reload()
    await expect(page.locator("#state")).to_have_text("已连接")
    assert bot.texts == ["hello", "/lang zh"]


async def test_a_reload_keeps_everything(page: Page, bot: EchoBot) -> None:
    for number in range(3):
        await say(page, f"message {number}")
    await expect(page.locator(".card")).to_have_count(3)
    await page.fill("#text", "a draft")
    await page.reload()
    await expect(page.locator(".card")).to_have_count(3)
    await expect(page.locator(".entry.person .said")).to_have_text([f"message {number}" for number in range(3)])
    await expect(page.locator("#text")).to_have_value("a draft")


async def test_a_restart_loses_and_doubles_nothing(page: Page, house: House, bot: EchoBot) -> None:
    await say(page, "before")
    await expect(page.locator(".card")).to_have_count(1)
    bot.go_on.clear()
    await say(page, "stream and so it goes on")
    await expect(page.locator(".dots")).to_be_visible()
    await house.close()
    await expect(page.locator("#state")).to_have_attribute("data-up", "false")
    await say(page, "while away 1")
    await say(page, "while away 2")
    await expect(page.locator("#pending li")).to_have_count(2)
    await expect(page.locator("#offline")).to_be_visible()
    bot.platform = await house.open(bot.deliver)
    bot.go_on.set()
    await expect(page.locator("#offline")).to_be_hidden(timeout=20_000)
    await expect(page.locator(".words")).to_have_text("and so it goes on")
    await expect(page.locator(".note")).to_have_text("the end")
    await expect(page.locator(".card h2")).to_have_text(["echo before", "echo while away 1", "echo while away 2"])
    await expect(page.locator("#pending li")).to_have_count(0)
    assert bot.texts == ["before", "stream and so it goes on", "while away 1", "while away 2"]
    await say(page, "after")
    await expect(page.locator(".card")).to_have_count(4)


async def test_what_was_written_offline_survives_a_reload_of_the_tab(page: Page, bot: EchoBot) -> None:
    cut = True

    def line(socket: WebSocketRoute) -> object:
        return socket.close() if cut else socket.connect_to_server()

    await page.route_web_socket(re.compile("/ws"), line)
    await page.reload()
    await say(page, "kept")
    await expect(page.locator("#pending li")).to_have_count(1)
    await page.reload()
    await expect(page.locator("#pending .said")).to_have_text("kept")
    assert bot.texts == []
    cut = False
    await expect(page.locator(".card h2")).to_have_text("echo kept")
    await expect(page.locator("#pending li")).to_have_count(0)
    assert bot.texts == ["kept"]


async def test_a_line_that_went_dead_is_noticed_and_replaced(page: Page, bot: EchoBot) -> None:
    dead = True

    def line(socket: WebSocketRoute) -> None:
        if dead:
            # Open, greets, and never says anything again: a laptop that slept, a network that swallows.
            socket.send(json.dumps({"hello": {"build": "", "language": "", "menu": []}}))
        else:
            socket.connect_to_server()

    await page.clock.install()
    await page.route_web_socket(re.compile("/ws"), line)
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Connected")
    dead = False
    await page.clock.fast_forward(21_000)
    await page.clock.fast_forward(9_000)
    await expect(page.locator("#state")).to_have_attribute("data-up", "false")
    await page.clock.fast_forward(5_000)
    await expect(page.locator("#state")).to_have_attribute("data-up", "true")
    await say(page, "alive")
    await expect(page.locator(".card h2")).to_have_text("echo alive")


async def test_two_tabs_stay_in_step(page: Page, context: BrowserContext, bot: EchoBot) -> None:
    other = await context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#state")).to_have_text("Connected")
    await say(other, "from the other tab")
    await expect(page.locator(".entry.person .said")).to_have_text("from the other tab")
    await say(page, "stream one two three")
    for one in (page, other):
        await expect(one.locator(".note")).to_have_text("the end")
        await expect(one.locator(".entry")).to_have_count(4)


async def test_a_session_that_ended_elsewhere_shows_the_door(page: Page, house: House) -> None:
    house.door.sessions.clear()
    await say(page, "hello?")
    await expect(page.locator("#code")).to_be_visible()
    assert house.log.entries == {}


async def test_long_history_comes_while_scrolling_up(page: Page, house: House, bot: EchoBot) -> None:
    assert bot.platform is not None
    for number in range(1, 161):
        await bot.platform.send(PLACE, Card(title=f"card {number}"), key=f"{number}")
    await page.reload()
    await expect(page.locator(".card h2").last).to_have_text("card 160")
    await expect(page.locator(".card h2").last).to_be_in_viewport()
    await expect(page.locator(".card")).to_have_count(50)
    await page.hover("#scroller")
    while await page.locator(".card").count() < 160:
        before = await page.locator(".card").count()
        await page.mouse.wheel(0, -50_000)
        await expect(page.locator(".card")).not_to_have_count(before)
    await bot.platform.send(PLACE, Card(title="news"), key="news")
    await expect(page.locator("#newer")).to_be_visible()
    await expect(page.get_by_role("heading", name="news")).not_to_be_in_viewport()
    await page.click("#newer")
    await expect(page.get_by_role("heading", name="news")).to_be_in_viewport()
    for number in range(100):
        await bot.platform.send(PLACE, Card(title=f"more {number}"), key=f"m{number}")
    await expect(page.get_by_role("heading", name="more 99")).to_be_in_viewport()
    assert await page.locator(".card").count() <= 200


async def test_a_very_long_history_stays_bounded_and_finds_back(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    for number in range(1, 901):
        await bot.platform.send(PLACE, Card(title=f"card {number}"), key=f"{number}")
    await page.reload()
    await expect(page.locator(".card h2").last).to_have_text("card 900")
    await page.hover("#scroller")
    top = page.locator(".card h2").first
    while (first := await top.text_content()) != "card 1":
        await page.mouse.wheel(0, -100_000)
        await expect(top).not_to_have_text(first or "")
    assert await page.locator(".card").count() <= 800
    await bot.platform.send(PLACE, Card(title="news"), key="news")
    await page.click("#newer")
    await expect(page.locator(".card h2").last).to_have_text("news")
    await expect(page.locator(".card h2").last).to_be_in_viewport()
    await bot.platform.send(PLACE, Card(title="more news"), key="more")
    await expect(page.locator(".card h2").last).to_have_text("more news")


async def test_a_ringing_card_shows_in_the_title_of_a_hidden_tab(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    hide = """hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await page.evaluate(hide, True)
    await bot.platform.send(PLACE, Card(title="quiet", rings=False), key="1")
    ref = await bot.platform.send(PLACE, Card(title="done"), key="2")
    await bot.platform.edit(ref, Card(title="done, edited"))
    await expect(page.get_by_role("heading", name="done, edited")).to_be_visible()
    await expect(page).to_have_title("(1) Tuneteller")
    await page.evaluate(hide, False)
    await expect(page).to_have_title("Tuneteller")


async def test_an_answer_that_nobody_makes_any_more_says_so(page: Page, house: House, bot: EchoBot) -> None:
    assert bot.platform is not None
    await bot.platform.send(PLACE, Answer("", AnswerState.WAITING), key="1")
    await expect(page.locator(".dots")).to_be_visible()
    await restart(house, bot)
    await page.reload()
    await expect(page.locator(".note")).to_have_text("This answer was interrupted.")
    await bot.platform.edit(MessageRef(PLACE, "1"), Answer("It goes on", AnswerState.DONE))
    await expect(page.locator(".words")).to_have_text("It goes on")
