"""A verdict's page in a real browser: narrow and wide, light and dark, in both languages."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from bot.services.access import Role
from tests.fakes.model import ModelStandIn
from tests.services.test_proof import speaks, trained
from tests.services.world import World

pytestmark = pytest.mark.browser
UNBROKEN = "https://example.org/" + "leaves" * 60
# What a page lays out wider than the window, and what of its own boxes is wider than the page says.
WIDE = """() => [...document.querySelectorAll('body, body *')].filter(each => {
  const box = each.getBoundingClientRect();
  const inside = box.left > -0.5 && box.right < document.documentElement.clientWidth + 0.5;
  return !inside || (each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1);
}).map(each => each.tagName + ' ' + each.textContent.slice(0, 40))"""
# WCAG's contrast of every text with what stands behind it.
FAINT = """() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = parts(colour).slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = each => {
    for (let at = each; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour).length === 3 || parts(colour)[3] > 0.9) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('h1, h2, p, th, td, li, dt, dd')].filter(each => {
    const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5;
  }).map(each => each.tagName + ' ' + each.textContent.slice(0, 40));
}"""


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    def at_length(body: dict[str, Any]) -> str:
        said = speaks(body)
        return said if body["model"].startswith("tuned:") else f"{said} <b>{UNBROKEN}</b>"

    model.reply = at_length
    found = World(tmp_path, model.endpoint, questions=20)
    await found.start()
    yield found
    await found.stop()


async def signed_in(browser: Browser, world: World, **settings: Any) -> Page:
    assert world.app is not None
    code = await world.app.core.access.invite(Role.TRAINER)
    page = await (await browser.new_context(**settings)).new_page()
    await page.goto(f"{world.app.web.address}/#code={code}")
    await page.fill("#name", "Ming")
    await page.click("#enter")
    await expect(page.locator("#text")).to_be_visible()
    return page


def listened(page: Page) -> list[str]:
    """What the browser complains about from now on."""
    found: list[str] = []
    page.on("console", lambda line: found.append(line.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


async def test_the_page_on_a_phone_and_on_a_desk(world: World, browser: Browser, tmp_path: Path) -> None:
    await trained(world)
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    assert world.app is not None
    for locale, width, scheme, title, gate in (
        ("en-GB", 360, "light", "passed its gates", "Answers fit their questions"),
        ("zh-CN", 360, "dark", "通过", "答"),
        ("zh-CN", 1280, "light", "通过", "答"),
        ("en-GB", 1280, "dark", "passed its gates", "Answers fit their questions"),
    ):
        page = await signed_in(
            browser, world, locale=locale, viewport={"width": width, "height": 740}, color_scheme=scheme
        )
        complaints = listened(page)
        await page.goto(f"{world.app.web.address}/reports/v1")
        await page.screenshot(path=tmp_path / f"report-{locale}-{width}-{scheme}.png", full_page=True)
        await expect(page.locator("h1")).to_contain_text(title)
        await expect(page.locator("html")).to_have_attribute("lang", locale[:2])
        # The figures are text, the picture is there, and reads aloud what it shows.
        await expect(page.locator("table").first).to_contain_text("3.00 → 1.00")
        await expect(page.locator("ul")).to_contain_text(gate)
        await expect(page.locator("dl")).to_contain_text(f"<b>{UNBROKEN}</b>")
        drawn = "each => each.complete && [each.naturalWidth, each.naturalHeight]"
        assert await page.locator("img").evaluate(drawn) == [1080, 1350]
        shown = await page.locator("img").bounding_box()
        assert shown is not None
        assert shown["width"] <= width
        assert shown["height"] == pytest.approx(shown["width"] * 1.25, rel=0.01)
        assert "3.00 → 1.00" in (await page.locator("img").get_attribute("alt") or "")
        assert await page.evaluate(WIDE) == []
        assert await page.evaluate(FAINT) == []
        # All of it can be reached.
        await page.mouse.move(width / 2, 300)
        await page.mouse.wheel(0, 100_000)
        await expect(page.locator("table").last.locator("tr").last).to_be_in_viewport()
        assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme
        assert complaints == []
        await page.context.close()


async def test_a_report_that_is_not_there_yet(world: World, browser: Browser) -> None:
    ann = await world.owner()
    await world.running(ann)
    assert world.app is not None
    page = await signed_in(browser, world, locale="en-GB", viewport={"width": 360, "height": 740})
    answer = await page.goto(f"{world.app.web.address}/reports/v1")
    assert answer is not None
    assert answer.status == 404
    await page.context.close()
