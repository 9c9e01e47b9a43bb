"""The page in a real browser: that text stays text, and how it looks to eyes, fingers and screen readers."""

import json
import math
from pathlib import Path
from typing import cast

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from bot.chat.content import (
    Answer,
    AnswerState,
    Attachment,
    AttachmentKind,
    Bar,
    Button,
    ButtonStyle,
    Card,
    Chart,
    Code,
    Fields,
    Items,
    Paragraph,
    Tone,
)
from bot.chat.places import Place
from bot.platforms.web import WebPlatform
from tests.platforms.web.conftest import House
from tests.platforms.web.fakes import EchoBot

pytestmark = pytest.mark.browser
PLACE = Place("web", "room-account-1")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"

ATTACKS = (
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title='broken'</script>",
    '"><svg onload="document.title=\'broken\'">',
    "[click](javascript:document.title='broken')",
    "[click](JaVaScRiPt:document.title='broken')",
    "[click](&#106;avascript:document.title='broken')",
    "[click](data:text/html,<script>1</script>)",
    "![x](javascript:document.title='broken')",
    "<a href=\"javascript:document.title='broken'\">x</a>",
    "`<b>x</b>`",
    "| <img src=x onerror=\"document.title='broken'\"> |\n|--|\n| <b>x</b> |",
    "```<b onclick=1>\n</code></pre><script>document.title='broken'</script>\n```",
)


def png() -> bytes:
    """One pixel."""
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
        "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
    )


async def show_everything(platform: WebPlatform) -> None:
    """One message of every kind."""
    curve = tuple((float(step), 2 * math.exp(-step / 9)) for step in range(30))
    await platform.send(
        PLACE,
        Card(
            title="Job 12: training a_rather_long_name_without_any_spaces_that_must_not_widen_a_phone_v4",
            blocks=(
                Fields((("Base", "SmolLM2-135M-Instruct"), ("Preset", "standard"), ("A long name", "x" * 80))),
                Items(("two near-duplicates (R6)", "see /ds_3")),
                Paragraph("https://example.org/" + "a" * 120, Tone.MUTED),
                Bar(0.4, "Step 31 of 78"),
                Bar(None, "Loading"),
                Chart(curve, "Loss 0.61, falling"),
                Chart(((0, 1),), "one point"),
                Chart((), "no point"),
                Code("/train 3 --preset standard --epochs 3 --lr 2e-3 --batch 4 --max-tokens 2048 --rank 16"),
            ),
            buttons=(
                (Button("Start", token="a", style=ButtonStyle.PRIMARY), Button("Curve", token="b")),
                (Button("Cancel this very long running job", token="c", style=ButtonStyle.DANGER),),
            ),
            attachments=(
                Attachment("verdict.png", "image/png", png(), AttachmentKind.PICTURE, "The verdict"),
                Attachment("log_of_a_very_long_name_" * 5 + ".txt", "text/plain", b"x"),
            ),
        ),
        key="card",
    )
    for tone in Tone:
        await platform.send(
            PLACE, Card(title=tone.value, tone=tone, blocks=(Paragraph(tone.value, tone),)), key=tone.value
        )
    table = "| " + " | ".join(["column"] * 12) + " |\n" + "|--" * 12 + "|\n"
    text = (
        f"# Title\n\n{table}\n\n```\n{'x' * 300}\n```\n\n> quote `code` {'y' * 200}\n\n1. a\n   - b\n\n[x](https://a.b)"
    )
    await platform.send(PLACE, Answer(text, AnswerState.DONE, "note", ((Button("Retry", token="r"),),)), key="answer")


async def test_hostile_text_stays_text_everywhere(page: Page, bot: EchoBot, house: House) -> None:
    assert bot.platform is not None
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for number, attack in enumerate(ATTACKS):
        card = Card(
            title=attack,
            blocks=(
                Paragraph(attack),
                Fields(((attack, attack),)),
                Items((attack,)),
                Code(attack),
                Bar(0.5, attack),
                Chart(((0, 1), (1, 2)), attack),
            ),
            buttons=((Button(attack, token=f"t{number}"),),),
            attachments=(
                Attachment(attack, "text/html", attack.encode()),
                Attachment(attack, "image/png", png(), AttachmentKind.PICTURE, attack),
            ),
        )
        await bot.platform.send(PLACE, card, key=f"card {number}")
        await bot.platform.send(PLACE, Answer(attack, AnswerState.DONE, attack), key=f"answer {number}")
        await page.fill("#text", attack)
        await page.press("#text", "Enter")
    await expect(page.locator(".entry")).to_have_count(4 * len(ATTACKS))
    await page.reload()
    await expect(page.locator(".entry")).to_have_count(4 * len(ATTACKS))
    scripts = await page.evaluate("[...document.scripts].map(one => one.getAttribute('src') ?? one.type)")
    assert all(one.startswith("/static/") or one == "application/json" for one in scripts)
    names = "[...document.querySelectorAll('*')].flatMap(node => node.getAttributeNames())"
    assert not [name for name in await page.evaluate(names) if name.startswith("on")]
    links = await page.evaluate("[...document.querySelectorAll('#timeline a')].map(one => new URL(one.href).protocol)")
    assert links
    assert set(links) <= {"http:", "https:"}
    assert await page.locator("#timeline img:not(.picture img)").count() == 0
    for link in await page.get_by_text("click", exact=True).all():
        await link.click()
    await expect(page).to_have_title("Tuneteller")
    assert dialogs == []


async def test_markdown_is_drawn_as_nodes(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    source = """# One
**bold** *em* ~~gone~~ `a<b` &lt;tag&gt; 5 &gt; 4 \\* <br>
second line

1. first
   - nested
3. third

- [x] ticked

> quoted

| a | b |
|:--|--:|
| 1 | 2 |

---

<https://example.org/?a=1&b=2> ![picture](https://example.org/p.png)

```python
print("<b>")
```"""
    await bot.platform.send(PLACE, Answer(source, AnswerState.DONE), key="1")
    words = page.locator(".words")
    await expect(words.locator("h3")).to_have_text("One")
    await expect(words.locator("p").first).to_contain_text("bold em gone a<b <tag> 5 > 4 * <br>")
    await expect(words.locator("> ol > li > ul > li")).to_have_text("nested")
    await expect(words.locator(".task")).to_contain_text("☑ ticked")
    await expect(words.locator("blockquote")).to_have_text("quoted")
    await expect(words.locator("td.to-right")).to_have_text("2")
    await expect(words.locator("hr")).to_have_count(1)
    links = words.locator("a")
    await expect(links).to_have_text(["https://example.org/?a=1&b=2", "picture"])
    await expect(links.first).to_have_attribute("href", "https://example.org/?a=1&b=2")
    await expect(links.first).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(words.locator("pre")).to_have_text('print("<b>")')
    await expect(words.locator(".code-language")).to_have_text("python")


async def test_headings_follow_the_levels_of_the_page(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    ref = await bot.platform.send(PLACE, Answer("#### a", AnswerState.STREAMING), key="1")
    await expect(page.locator(".words h3")).to_have_text("a")
    await bot.platform.edit(ref, Answer("#### a\n\n### b\n\n##### c", AnswerState.DONE))
    await expect(page.locator(".words h4")).to_have_text("a")
    await expect(page.locator(".words h3")).to_have_text("b")
    await expect(page.locator(".words h5")).to_have_text("c")


async def test_a_stream_keeps_what_did_not_change(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    ref = await bot.platform.send(PLACE, Answer("first paragraph\n\nsec", AnswerState.STREAMING), key="1")
    await expect(page.locator(".words p")).to_have_count(2)
    await page.evaluate("document.querySelector('.words p').marked = true")
    await bot.platform.edit(ref, Answer("first paragraph\n\nsecond\n\nthird", AnswerState.STREAMING))
    await expect(page.locator(".words p")).to_have_text(["first paragraph", "second", "third"])
    await bot.platform.edit(ref, Answer("first paragraph\n\nsecond", AnswerState.DONE))
    await expect(page.locator(".words p")).to_have_count(2)
    assert await page.evaluate("document.querySelector('.words p').marked")


async def test_a_picture_opens_large_and_closes(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    await show_everything(bot.platform)
    picture = page.get_by_role("img", name="The verdict")
    await expect(picture).to_have_js_property("naturalWidth", 1)
    await page.get_by_role("button", name="The verdict").click()
    await expect(page.locator("#viewer img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#viewer")).to_be_hidden()
    async with page.expect_download() as download:
        await page.locator(".document").click()
    assert (await download.value).suggested_filename.startswith("log_of_a_very_long_name")


async def test_progress_is_told_to_assistive_technology(page: Page, bot: EchoBot) -> None:
    assert bot.platform is not None
    await show_everything(bot.platform)
    known = page.get_by_role("progressbar", name="Step 31 of 78")
    await expect(known).to_have_js_property("value", 0.4)
    unknown = page.get_by_role("progressbar", name="Loading")
    assert await unknown.get_attribute("value") is None
    await expect(page.get_by_role("img", name="Loss 0.61, falling")).to_be_visible()
    await expect(page.get_by_role("article", name="good")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_has_no_sideways_scroll(browser: Browser, bot: EchoBot, house: House, width: int) -> None:
    assert bot.platform is not None
    context = await browser.new_context(
        viewport={"width": width, "height": 640}, is_mobile=True, has_touch=True, locale="zh-CN"
    )
    page = await context.new_page()
    await page.goto(bot.platform.address)
    narrow = "document.documentElement.scrollWidth <= innerWidth && innerWidth === screen.width"
    assert await page.evaluate(narrow), "the door"
    await page.fill("#code", "owner-code")
    await page.fill("#name", "小明")
    await page.tap("#enter")
    await expect(page.locator("#welcome")).to_be_visible()
    assert await page.evaluate(narrow), "the first steps"
    await show_everything(bot.platform)
    await expect(page.locator(".answer")).to_be_visible()
    assert await page.evaluate(narrow), "the conversation"
    inner = "(() => { const s = document.getElementById('scroller'); return s.scrollWidth <= s.clientWidth })()"
    assert await page.evaluate(inner)
    await page.fill("#text", "/")
    await expect(page.get_by_role("option")).to_have_count(4)
    assert await page.evaluate(narrow), "the list of commands"
    small = """[...document.querySelectorAll('button, a.document, input, textarea')]
        .filter(n => n.offsetParent && !n.matches('.chip, .reply, .picture'))
        .map(n => [n.id || n.className, n.getBoundingClientRect().height]).filter(([, h]) => h < 32)"""
    assert await page.evaluate(small) == []
    assert await page.evaluate("parseFloat(getComputedStyle(document.getElementById('text')).fontSize)") >= 16
    await context.close()


async def faults(page: Page) -> list[str]:
    """What axe finds, as ``rule: nodes``."""
    await page.evaluate(AXE.read_text())
    result = cast(dict[str, list[dict[str, object]]], await page.evaluate("axe.run({resultTypes: ['violations']})"))
    return [
        f"{one['id']}: {json.dumps([node['target'] for node in cast(list[dict[str, object]], one['nodes'])])}"
        for one in result["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_anybodys_way(browser: Browser, bot: EchoBot, house: House, scheme: str) -> None:
    assert bot.platform is not None
    context = await browser.new_context(
        bypass_csp=True, locale="en-US", color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto(bot.platform.address)
    assert await faults(page) == [], "the door"
    await page.fill("#code", "owner-code")
    await page.fill("#name", "Ming")
    await page.click("#enter")
    await expect(page.locator("#welcome")).to_be_visible()
    assert await faults(page) == [], "the first steps"
    await show_everything(bot.platform)
    await page.fill("#text", "hello")
    await page.press("#text", "Enter")
    await expect(page.locator(".card h2").last).to_have_text("echo hello")
    await page.fill("#text", "/")
    await expect(page.get_by_role("option").first).to_be_visible()
    assert await faults(page) == [], "the conversation"
    await context.close()


async def test_the_theme_follows_the_system_until_it_is_chosen(page: Page, context: BrowserContext) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(colour)
    assert light != dark
    await page.click("#theme")
    await expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: light")
    assert await page.evaluate(colour) == light
    await page.reload()
    assert await page.evaluate(colour) == light
    await page.click("#theme")
    assert await page.evaluate(colour) == dark
    await page.emulate_media(color_scheme="light")
    assert await page.evaluate(colour) == dark


async def test_the_keyboard_reaches_everything(page: Page, bot: EchoBot) -> None:
    await page.evaluate("document.querySelector('.skip').focus()")
    await expect(page.locator(".skip")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_be_focused()
    await page.evaluate("document.querySelector('.skip').focus()")
    order = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert order == ["language", "theme", "bell", "leave", "scroller", "action primary", "action normal", "attach"]
