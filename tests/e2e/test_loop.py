"""The whole loop as a person walks it: upload, judge, train for real, kill the bot, be told once, talk."""

import re
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.e2e.bot_process import BotProcess

pytestmark = [pytest.mark.browser, pytest.mark.local]
EXAMPLES = Path(__file__).parents[2] / "examples"


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def upload(page: Page, name: str, data: bytes) -> None:
    await page.set_input_files("#files", files=[FilePayload(name=name, mimeType="text/plain", buffer=data)])


def some_rows(count: int) -> bytes:
    lines = (EXAMPLES / "fortune_telling.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(lines[:count])


@pytest.mark.timeout(1200)
async def test_upload_train_kill_notice_talk_stop(bot: BotProcess, page: Page) -> None:
    cards = page.locator("#timeline .card")

    # A bad file gets its findings and changes nothing.
    await upload(page, "bad.jsonl", (EXAMPLES / "one_error_of_each_kind.jsonl").read_bytes())
    await expect(cards.filter(has_text="cannot be trained on yet")).to_contain_text("Line 3 · R1")
    await say(page, "/datasets")
    await expect(cards.filter(has_text="None yet. Send a file")).to_have_count(1)

    # Until a model is tuned the base answers, and says so.
    await say(page, "Hello, who are you?")
    answer = page.locator("#timeline .answer").last
    await expect(answer.locator(".note")).to_contain_text("untuned base answers")
    await expect(answer.get_by_role("button", name="Answer again")).to_be_visible()

    # A good one is judged and trained on with one tap.
    await upload(page, "teller.jsonl", some_rows(16))
    good = cards.filter(has_text="is ready as")
    await expect(good).to_contain_text("16 rows")
    await good.get_by_role("button", name="Train", exact=True).click()
    confirm = cards.filter(has_text="none: it runs on this machine").first
    await expect(confirm).to_contain_text("/train 1 --preset standard")
    await say(page, "/train 1 --epochs 2 --val 20%")
    await cards.filter(has_text="--epochs 2").get_by_role("button", name="Start", exact=True).click()
    job = cards.filter(has_text="Job 1 · teller")
    await expect(job).to_contain_text(re.compile(r"Step [1-9] of 8"))

    # The bot dies in the middle; the training does not. The page finds the new bot by itself.
    await bot.kill()
    await bot.start()
    done = cards.filter(has_text="Ming: teller is done, it is v1")
    await expect(done).to_have_count(1, timeout=300_000)
    await expect(job).to_contain_text("done")

    # One tap, and everybody talks to it; its answer streams and can be stopped.
    await done.get_by_role("button", name="Let everybody talk to it").click()
    await expect(cards.filter(has_text="From now on everybody talks to teller (v1)")).to_have_count(1)
    await say(page, "Should I move house?")
    tuned = page.locator("#timeline .answer").last
    await expect(tuned.get_by_role("button", name="Answer again")).to_be_visible()
    assert len((await tuned.locator(".words").inner_text()).strip()) > 3

    # A reload shows the same, and nothing came twice.
    await page.reload()
    await expect(done).to_have_count(1)
    await expect(page.locator("#timeline .answer")).to_have_count(2)

    # The polite end is short, and the log never holds the owner's code.
    assert await bot.stop() == 0
    assert "TEST-CODE-OF-THE-OWNER" not in bot.output
    assert "Traceback" not in bot.output
