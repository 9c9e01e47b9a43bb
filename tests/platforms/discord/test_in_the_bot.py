"""The whole bot on Discord, beside Telegram and the page: one process, one database, one person."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from bot.app import App
from bot.settings import read
from tests.fakes.discord import Channel, DiscordStandIn, DropAfter, Failure, Guild, Person
from tests.fakes.provider import ScriptedProvider, Trainings
from tests.fakes.telegram import TelegramStandIn

NOWHERE = Path("/nonexistent/.env")
ROOT = Path(__file__).parents[3]


def app_for(discord: DiscordStandIn, folder: Path, **more: str) -> App:
    environment = {
        "TUNETELLER_DATA_DIR": str(folder),
        "TUNETELLER_WEB_PORT": "0",
        "DISCORD_BOT_TOKEN": discord.token,
        "DISCORD_API_BASE": discord.api_base,
        **more,
    }
    provider = ScriptedProvider(Trainings())
    return App(read(environment, NOWHERE), {provider.name: provider})


async def test_one_person_on_two_platforms(discord: DiscordStandIn, ming: Person, tmp_path: Path) -> None:
    async with TelegramStandIn(local=True) as telegram:
        tokens = {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_BASE": telegram.api_base}
        app = app_for(discord, tmp_path, **tokens)
        await app.start()
        await discord.wait_for(lambda: discord.gateway.connected)
        there = telegram.person(7, "Ming", "en")
        await there.says(f"/start {await app.core.access.issue_owner_code(None)}")
        await telegram.wait_for(lambda: telegram.messages(there))
        await there.says("/link")
        await telegram.wait_for(lambda: len(telegram.messages(there)) == 2)
        text = telegram.messages(there)[-1].text
        code = next(word for word in text.split() if word.count("-") == 2)
        made = await ming.uses("link", code=code)
        await discord.wait_for(lambda: len(discord.messages(ming)) == 2)
        assert "您在这里也是 Ming" in discord.messages(ming)[-1].text
        # The command that was shown is its own trace; in private nobody else reads it.
        assert made.original == discord.messages(ming)[0].id
        await ming.uses("whoami")
        await discord.wait_for(lambda: "管理员" in discord.messages(ming)[-1].text)
        await app.stop()


async def test_refusals_and_settings_are_for_one_and_cards_for_all(
    discord: DiscordStandIn, ming: Person, lan: Person, guild: Guild, channel: Channel, tmp_path: Path
) -> None:
    guild.roles = {"900000000000000001": "Trainers"}
    guild.members[ming.id] = list(guild.roles)
    app = app_for(discord, tmp_path, DISCORD_ROLES="900000000000000001=trainer")
    await app.start()
    await discord.wait_for(lambda: discord.gateway.connected and discord.commands)
    refused = await lan.uses("jobs", channel)
    await discord.wait_for(lambda: "private" in lan.was_told(refused))
    mine = await ming.uses("whoami", channel)
    await discord.wait_for(lambda: "训练" in ming.was_told(mine))
    assert discord.messages(channel, lan) == [each for each in discord.messages(channel, lan) if each.to == lan.id]
    await ming.uses("jobs", channel)
    await discord.wait_for(lambda: any("还没有" in shown.text for shown in discord.messages(channel)))
    await app.stop()


async def test_no_token_is_in_what_the_bot_logs(
    discord: DiscordStandIn, ming: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_for(discord, tmp_path)
    for name in ["", *logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, name or None)
    await app.start()
    await discord.wait_for(lambda: discord.gateway.connected and discord.commands)
    discord.next("POST callback", Failure(400, 50035), DropAfter())
    made = [await ming.uses("whoami"), await ming.uses("help")]
    await discord.wait_for(lambda: len(discord.messages(ming)) >= 2)
    await discord.gateway.drop(4000)
    await discord.wait_for(lambda: discord.gateway.resumed, 20)
    discord.no_private.add(ming.id)
    await ming.says("/whoami")
    await discord.wait_for(lambda: discord.calls("POST messages")[-1].status == 403)
    await app.stop()
    written = caplog.text + "".join(record.getMessage() for record in caplog.records)
    assert discord.token not in written
    for each in made:
        assert each.token not in written


@pytest.mark.parametrize(("content", "said"), [(True, "intent is on"), (False, "files without a mention are lost")])
async def test_doctor_says_what_is_lost(discord: DiscordStandIn, tmp_path: Path, content: bool, said: str) -> None:
    discord.content_intent = content
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "doctor", cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
        env={
            "PATH": "", "PYTHONPATH": str(ROOT), "LANG": "en_GB.UTF-8", "TUNETELLER_WEB_PORT": "0",
            "DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_BASE": discord.api_base,
        },
    )  # fmt: skip
    output, _ = await process.communicate()
    told = output.decode()
    assert "Discord knows the bot: tune_test_bot. Invite it: https://discord.com/oauth2/authorize" in told
    assert said in told
    assert discord.token not in told


def test_roles_and_tokens_are_read_as_they_are_meant(tmp_path: Path) -> None:
    settings = read({"DISCORD_ROLES": " 123456789012345678=trainer, 123456789012345679 = lead"}, NOWHERE)
    assert settings.server_roles == {"123456789012345678": "trainer", "123456789012345679": "lead"}
    from bot.settings import SettingsError

    for name, wrong in (
        ("DISCORD_ROLES", "Trainers=trainer"),
        ("DISCORD_ROLES", "123456789012345678=owner"),
        ("DISCORD_BOT_TOKEN", "123456789:AAxxxxxxxxxxxxxxxxxxxxxxx"),
        ("DISCORD_TOKEN", "x"),
    ):
        with pytest.raises(SettingsError) as raised:
            read({name: wrong}, NOWHERE)
        assert wrong not in repr(raised.value.problems)
