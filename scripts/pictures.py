"""Takes the pictures of the README from the real page: `.venv/bin/python scripts/pictures.py`. It trains for real."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urljoin

from playwright.async_api import Browser, FilePayload, Page, async_playwright, expect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.bot_process import OWNER_CODE, BotProcess  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SAMPLE = ROOT / "examples" / "fortune_telling.jsonl"
QUESTIONS = ("我最近总想搬家，该不该搬？", "Should I move house this autumn?")


async def enter(browser: Browser, bot: BotProcess, *, scheme: str, locale: str, width: int, height: int) -> Page:
    context = await browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        locale=locale,
        viewport={"width": width, "height": height},
        device_scale_factor=2,
    )
    page = await context.new_page()
    await page.goto(bot.address)
    return page


async def sign_in(page: Page, code: str) -> None:
    await page.fill("#code", code)
    await page.fill("#name", "Ming")
    await page.click("#enter")
    await expect(page.locator("#state[data-up=true]")).to_have_count(1)


async def shoot(page: Page, name: str) -> None:
    await page.wait_for_timeout(700)
    await page.screenshot(path=PICTURES / f"{name}.png")
    print(name, flush=True)


async def say(page: Page, text: str, answers: int) -> None:
    await page.fill("#text", "/new")
    await page.press("#text", "Enter")
    await page.fill("#text", text)
    await page.press("#text", "Enter")
    done = page.locator("#timeline .answer").filter(has=page.get_by_role("button", name="Answer again"))
    await expect(done).to_have_count(answers)


async def verdict(page: Page) -> None:
    """Keep the picture of whether the tuned model beats its base."""
    card = page.locator("#timeline .card").filter(has_text="gates")
    image = card.locator("img").first
    await expect(image).to_be_visible()
    source = await image.get_attribute("src")
    found = await page.request.get(urljoin(page.url, source or ""))
    (PICTURES / "verdict.png").write_bytes(await found.body())
    print("verdict:", await card.first.inner_text(), flush=True)


async def walk(browser: Browser, bot: BotProcess) -> None:
    expect.set_options(timeout=900_000)
    page = await enter(browser, bot, scheme="light", locale="en-GB", width=1000, height=760)
    await shoot(page, "sign-in")
    await sign_in(page, OWNER_CODE)
    await shoot(page, "first-steps")
    for number, question in enumerate(QUESTIONS, 1):
        await say(page, question, number)
    await shoot(page, "before")
    await page.set_input_files(
        "#files", files=[FilePayload(name="fortune_telling.jsonl", mimeType="text/plain", buffer=SAMPLE.read_bytes())]
    )
    cards = page.locator("#timeline .card")
    await expect(cards.filter(has_text="is ready as")).to_have_count(1)
    await shoot(page, "judged")
    await cards.get_by_role("button", name="Train", exact=True).click()
    start = page.get_by_role("button", name="Start", exact=True)
    await expect(start).to_be_visible()
    await shoot(page, "confirm")
    await start.click()
    await expect(cards.filter(has_text="Loss")).to_have_count(1)
    await expect(cards.filter(has_text="Step 2")).to_have_count(1)
    await shoot(page, "training")
    await expect(cards.filter(has_text="is done, it is v1")).to_have_count(1)
    await shoot(page, "done")
    await verdict(page)
    # 135M parameters forget what they knew, and a gate says so: whoever wants the model all the same says why.
    await page.fill("#text", "/promote v1 because it speaks as we do")
    await page.press("#text", "Enter")
    await expect(cards.filter(has_text="From now on everybody")).to_have_count(1)
    for number, question in enumerate(QUESTIONS, 3):
        await say(page, question, number)
    await shoot(page, "after")
    for answer in await page.locator("#timeline .answer .words").all():
        print("---", await answer.inner_text(), flush=True)
    phone = await browser.new_context(
        storage_state=await page.context.storage_state(),
        color_scheme="dark",
        locale="zh-CN",
        viewport={"width": 390, "height": 780},
        device_scale_factor=2,
    )
    small = await phone.new_page()
    await small.goto(bot.address)
    await expect(small.locator("#timeline .answer")).to_have_count(2 + len(QUESTIONS))
    await shoot(small, "phone-dark")


async def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    bot = BotProcess(folder, {"TUNETELLER_EVALUATION_QUESTIONS": "20"})
    try:
        await bot.start()
        async with async_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            await walk(browser, bot)
            await browser.close()
    finally:
        await bot.kill()
        shutil.rmtree(folder)


asyncio.run(main())
