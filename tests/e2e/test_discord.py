"""The same bot on Discord: the real process and the real library against a stand-in of gateway and REST."""

from pathlib import Path

import pytest

from tests.e2e.bot_process import OWNER_CODE, BotProcess
from tests.fakes.discord import Channel, DiscordStandIn, Person, Shown

pytestmark = pytest.mark.local
EXAMPLES = Path(__file__).parents[2] / "examples"


def rows(count: int) -> bytes:
    lines = (EXAMPLES / "fortune_telling.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(lines[:count])


@pytest.mark.timeout(1200)
async def test_the_loop_on_discord(tmp_path: Path) -> None:
    async with DiscordStandIn() as discord:
        bot = BotProcess(tmp_path, {"DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_BASE": discord.api_base})
        await bot.start()
        try:
            await walk(discord, bot)
        finally:
            await bot.kill()
            print(bot.output)  # noqa: T201 - pytest shows it when the test fails
        assert discord.token not in bot.output
        assert "Traceback" not in bot.output


async def walk(discord: DiscordStandIn, bot: BotProcess) -> None:
    ming = discord.person(1001, "Ming")
    lan = discord.person(1002, "Lan")
    guild = discord.guild(ming, lan)
    channel = discord.channel(guild)
    await discord.wait_for(lambda: discord.gateway.connected and discord.commands, 180)
    await discord.lets_in(guild)

    def having(words: str, where: Channel | Person = channel) -> list[Shown]:
        return [shown for shown in discord.messages(where, ming) if words in shown.text]

    def with_button(label: str) -> list[Shown]:
        return [shown for shown in discord.messages(channel, ming) if label in shown.labels]

    # A stranger is told politely, and alone; the code lets them in, in private.
    refused = await ming.uses("train", channel)
    await discord.wait_for(lambda: "只对受邀的人开放" in ming.was_told(refused), 180)
    assert not discord.messages(channel, lan)
    await ming.says(f"/start {OWNER_CODE}")
    await discord.wait_for(lambda: having("我是 Tuneteller", ming), 180)

    # A file with the command that takes one; what is offered while a number is typed; one tap.
    await ming.uses("dataset", channel, ("teller.jsonl", rows(12)))
    await discord.wait_for(lambda: having("已就绪，编号 /ds_1"), 180)
    choices = await ming.types("train", "dataset", "tel", channel)
    assert [choice["value"] for choice in choices] == ["1"]
    await ming.uses("train", channel, dataset="1", preset="light", epochs=1)
    await discord.wait_for(lambda: with_button("开始"), 180)
    await ming.presses(with_button("开始")[-1], "开始")
    await discord.wait_for(lambda: having("任务 1 · teller"), 180)

    # The bot dies while it trains, and somebody writes meanwhile. The next one tells the end, once, and answers.
    await bot.kill()
    await ming.says("/jobs")
    await bot.start()
    await discord.wait_for(lambda: having("/job_1", ming), 180)
    await discord.wait_for(lambda: having("训练完成，版本 v1"), 400)
    (done,) = having("训练完成，版本 v1")
    assert done.rings
    await ming.presses(with_button("让大家和它聊")[-1], "让大家和它聊")
    await discord.wait_for(lambda: having("大家都与 teller (v1) 对话"), 180)

    # Everybody who was let in talks to it where they are: by name in the channel.
    await ming.says(f"<@{discord.me['id']}> 我该不该搬家？", channel)
    await discord.wait_for(lambda: with_button("停止") or with_button("重新回答"), 400)
    for shown in with_button("停止"):
        await ming.presses(shown, "停止")
    await discord.wait_for(lambda: with_button("重新回答"), 400)
    assert len(having("训练完成，版本 v1")) == 1
    assert await bot.stop() == 0
