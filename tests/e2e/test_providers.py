"""The loop at other providers through the page: upload, train there, be told, talk, cost; over real HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from finetune.providers.profiles import names
from tests.e2e.bot_process import OWNER_CODE, BotProcess
from tests.e2e.test_loop import say, some_rows, upload
from tests.fakes.providers.dashscope import DashScopeStandIn
from tests.fakes.providers.fireworks import ACCOUNT, FireworksStandIn
from tests.fakes.providers.openai_shape import OpenAIStandIn
from tests.fakes.providers.siliconflow import SiliconFlowStandIn
from tests.fakes.providers.standin import KEY, StandIn, served
from tests.fakes.providers.together import TogetherStandIn

pytestmark = [pytest.mark.browser, pytest.mark.local]


@dataclass(frozen=True)
class Walk:
    """The way through one provider. ``button``: what a person agrees to or tells; ``cost``: what the notice says."""

    provider: str
    base: str
    answer: str
    button: str | None = None
    by_hand: bool = False
    cost: str = "the provider does not tell"


WALKS = (
    Walk("openai", "gpt-4o-mini", "The coins fall."),
    Walk("zhipu", "glm-4-9b", "The coins fall."),
    Walk("nebius", "8b", "The coins fall.", "Agree and deploy", cost="by its price list"),
    Walk("dashscope", "14b", "The moon knows.", "Agree and deploy"),
    Walk("siliconflow", "7b", "The leaves settle.", "I pressed start there", by_hand=True),
    Walk("azure", "Ministral-3B", "The coins fall.", by_hand=True),
    Walk("crusoe", "meta-llama/Llama-3.1-8B-Instruct", "The coins fall.", by_hand=True),
    Walk("together", "7b", "The river turns.", by_hand=True, cost="1.25 USD"),
    Walk("fireworks", "accounts/fireworks/models/qwen2p5-7b", "The sparks rise.", by_hand=True, cost="1.25 USD"),
)


class Town:
    """The vendors, and a bot that knows them."""

    def __init__(self, bot: BotProcess, vendors: Mapping[str, StandIn]) -> None:
        self.bot = bot
        self.vendors = vendors

    def deploy(self, provider: str, number: int, card: str) -> str:
        """What a person does in the provider's console; the id that they bring from there."""
        vendor = self.vendors[provider]
        if isinstance(vendor, SiliconFlowStandIn):
            found = re.search(r"teller_tt[0-9a-f]{10}", card)
            assert found is not None
            model = f"ft:LoRA/Qwen/Qwen2.5-7B-Instruct:cm1abcdefg:{found[0]}:npwivjtfynnfhuzijmzb"
            vendor.models.add(model)
        else:
            assert isinstance(vendor, OpenAIStandIn | TogetherStandIn | FireworksStandIn)
            model = f"team/teller-{number}"
            vendor.answering.add(model)
        return model


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    vendors: dict[str, tuple[StandIn, str]] = {
        "siliconflow": (SiliconFlowStandIn(), "/v1"),
        "dashscope": (DashScopeStandIn(instant=True), ""),
        "together": (TogetherStandIn(instant=True), "/v1"),
        "fireworks": (FireworksStandIn(instant=True), "/v1"),
    }
    vendors |= {
        kind: (OpenAIStandIn(kind=kind, instant=True), "/v1/")
        for kind in ("nebius", "openai", "zhipu", "azure", "crusoe")
    }
    environment = {"FIREWORKS_ACCOUNT_ID": ACCOUNT}
    async with AsyncExitStack() as stack:
        for name, (vendor, prefix) in vendors.items():
            await stack.enter_async_context(served(vendor, prefix))
            setting = "AZURE_OPENAI" if name == "azure" else name.upper()
            environment |= {f"{setting}_API_KEY": KEY, f"{setting}_BASE_URL": vendor.base_url}
        bot = BotProcess(tmp_path, environment)
        await bot.start()
        yield Town(bot, {name: vendor for name, (vendor, _) in vendors.items()})
        await bot.kill()
        print(bot.output)  # noqa: T201 - pytest shows it when the test fails
        assert KEY not in bot.output


@pytest.mark.timeout(1200)
async def test_the_loop_at_every_provider(town: Town, browser: Browser) -> None:
    assert {walk.provider for walk in WALKS} == set(names())
    context = await browser.new_context(locale="en-US")
    page = await context.new_page()
    await signed_in(page, town.bot)
    cards = page.locator("#timeline .card")
    await upload(page, "teller.jsonl", some_rows(16))
    await expect(cards.filter(has_text="is ready as")).to_contain_text("16 rows", timeout=60_000)
    for number, walk in enumerate(WALKS, 1):
        await say(page, f"/train 1 --provider {walk.provider} --base {walk.base}")
        confirm = cards.filter(has_text=f"--provider {walk.provider}")
        await confirm.get_by_role("button", name="Start", exact=True).click()
        if walk.button is not None:
            await cards.get_by_role("button", name=walk.button).last.click(timeout=30_000)
        if walk.by_hand:
            handed = cards.filter(has_text=f"Job {number} · teller: to be started in the console").last
            await expect(handed).to_be_visible(timeout=30_000)
            model = town.deploy(walk.provider, number, await handed.inner_text())
            await say(page, f"/bind {number} {model}")
        done = cards.filter(has_text=f"teller is done, it is v{number}")
        await expect(done).to_have_count(1, timeout=30_000)
        await expect(done).to_contain_text(walk.cost)
        await say(page, f"/use v{number}")
        await say(page, "Shall I go?")
        await expect(page.locator("#timeline .answer").last).to_contain_text(walk.answer, timeout=20_000)
        await say(page, f"/cost {number} {number}.50 CNY")
        await expect(cards.filter(has_text=f"Job {number} cost {number}.50 CNY.")).to_have_count(1)
    await context.close()


async def signed_in(page: Page, bot: BotProcess) -> None:
    await page.goto(bot.address)
    await page.fill("#code", OWNER_CODE)
    await page.fill("#name", "Ming")
    await page.click("#enter")
    await expect(page.locator("#state[data-up=true]")).to_have_count(1, timeout=60_000)
