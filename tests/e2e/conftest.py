"""A real bot, a real browser, a real model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.bot_process import OWNER_CODE, BotProcess


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[BotProcess]:
    """A started bot with nothing in it."""
    found = BotProcess(tmp_path)
    await found.start()
    yield found
    await found.kill()
    print(found.output)  # noqa: T201 - pytest shows it when the test fails


@pytest.fixture
async def page(bot: BotProcess, browser: Browser) -> AsyncIterator[Page]:
    """The page, signed in as the owner, in English."""
    expect.set_options(timeout=120_000)
    context = await browser.new_context(locale="en-GB")
    found = await context.new_page()
    await found.goto(bot.address)
    await found.fill("#code", OWNER_CODE)
    await found.fill("#name", "Ming")
    await found.click("#enter")
    await expect(found.locator("#state[data-up=true]")).to_have_count(1)
    yield found
    await context.close()
