"""What tests of several packages share."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from playwright.async_api import Browser, async_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_configure() -> None:
    """Be no more important than a trainer: trainers make way for others, and beside busy tests would never end."""
    os.nice(19)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the bot runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: archives carry the time at which they were made, and all workers must find the same tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A real headless Chromium, as the system has it."""
    binary = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if binary is None:
        missing = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=list(QUIET))
        yield browser
        await browser.close()


pytest_plugins = ["tests.databases"]
