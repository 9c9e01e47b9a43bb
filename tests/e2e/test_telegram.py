"""The same bot in Telegram: the real process and the real library against a strict stand-in of the Bot API."""

from pathlib import Path

import pytest

from tests.e2e.bot_process import OWNER_CODE, BotProcess
from tests.fakes.telegram import Shown, TelegramStandIn

pytestmark = pytest.mark.local
EXAMPLES = Path(__file__).parents[2] / "examples"


def rows(count: int) -> bytes:
    lines = (EXAMPLES / "fortune_telling.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(lines[:count])


@pytest.mark.timeout(1200)
async def test_the_loop_in_telegram(tmp_path: Path) -> None:
    async with TelegramStandIn() as telegram:
        bot = BotProcess(tmp_path, {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_BASE": telegram.api_base})
        await bot.start()
        try:
            await walk(telegram, bot)
        finally:
            await bot.kill()
            print(bot.output)  # noqa: T201 - pytest shows it when the test fails
        assert telegram.token not in bot.output


async def walk(telegram: TelegramStandIn, bot: BotProcess) -> None:
    ming = telegram.person(1001, "Ming", "zh-hans")

    def texts() -> list[str]:
        return [shown.text for shown in telegram.messages(ming)]

    def has(words: str) -> bool:
        return any(words in text for text in texts())

    def with_button(label: str) -> list[Shown]:
        return [shown for shown in telegram.messages(ming) if label in shown.labels]

    # A stranger is told politely, in their client's language; the code lets them in.
    await ming.says("/train")
    await telegram.wait_for(lambda: has("只对受邀的人开放"), 180)
    await ming.says(f"/start {OWNER_CODE}")
    await telegram.wait_for(lambda: has("我是 Tuneteller"), 180)

    await ming.sends_file("teller.jsonl", rows(12))
    await telegram.wait_for(lambda: has("已就绪，编号 /ds_1"), 180)
    await ming.says("/train 轻量 轮数=1")
    await telegram.wait_for(lambda: with_button("开始"), 180)
    await ming.presses(with_button("开始")[-1], "开始")
    await telegram.wait_for(lambda: has("任务 1 · teller"), 180)

    # The bot dies while it trains; the next one tells the end, once.
    await bot.kill()
    await bot.start()
    await telegram.wait_for(lambda: has("训练完成，版本 v1"), 400)
    await ming.presses(with_button("让大家和它聊")[-1], "让大家和它聊")
    await telegram.wait_for(lambda: has("大家都与 teller (v1) 对话"), 180)
    await ming.says("我该不该搬家？")
    await telegram.wait_for(lambda: with_button("重新回答"), 400)
    assert sum("训练完成，版本 v1" in text for text in texts()) == 1
