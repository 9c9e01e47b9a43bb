"""The whole bot on the stand-in, by polling and by webhook: settings that reach the platform, repeats, the token."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.app import App
from bot.platforms.telegram import DraftingTelegramPlatform, secret_of
from bot.platforms.telegram.webhook import SECRET_HEADER
from bot.settings import read
from tests.fakes.provider import ScriptedProvider, Trainings
from tests.fakes.telegram import DropAfter, Failure, HtmlPage, Person, TelegramStandIn
from tests.platforms.telegram.helpers import webhook_address

NOWHERE = Path("/nonexistent/.env")


@pytest.fixture
async def tg() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn(local=True) as server:
        yield server


def app_for(tg: TelegramStandIn, folder: Path, **more: str) -> App:
    environment = {
        "TUNETELLER_DATA_DIR": str(folder),
        "TUNETELLER_WEB_PORT": "0",
        "TELEGRAM_BOT_TOKEN": tg.token,
        "TELEGRAM_API_BASE": tg.api_base,
        **more,
    }
    provider = ScriptedProvider(Trainings())
    return App(read(environment, NOWHERE), {provider.name: provider})


async def test_a_repeated_post_is_handled_once(tg: TelegramStandIn, ming: Person, tmp_path: Path) -> None:
    address = webhook_address()
    listen = f"127.0.0.1:{address.port}"
    more = {"TELEGRAM_WEBHOOK_URL": address.url, "TELEGRAM_WEBHOOK_LISTEN": listen, "TELEGRAM_DRAFTS": "on"}
    app = app_for(tg, tmp_path, **more)
    await app.start()
    assert isinstance(app._platforms["telegram"], DraftingTelegramPlatform)
    shown = await ming.says("/whoami")
    await tg.wait_for(lambda: len(tg.messages(ming)) == 1)
    update_id = tg.updates.confirmed[0]
    headers = {SECRET_HEADER: secret_of(tg.token)}
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            body = {"update_id": update_id, "message": shown.raw}
            async with session.post(address.url, json=body, headers=headers) as response:
                assert response.status == 200
    await ming.says("/privacy")
    await tg.wait_for(lambda: len(tg.messages(ming)) == 2)
    await app.stop()
    assert len(tg.messages(ming)) == 2


@pytest.mark.parametrize("way", ["polling", "webhook"])
async def test_the_token_is_nowhere_in_what_the_bot_logs(
    tg: TelegramStandIn, ming: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    address = webhook_address()
    listen = f"127.0.0.1:{address.port}"
    more = {"TELEGRAM_WEBHOOK_URL": address.url, "TELEGRAM_WEBHOOK_LISTEN": listen} if way == "webhook" else {}
    app = app_for(tg, tmp_path, **more)
    # Everything on, also what the package itself had turned down.
    for name in ["", *logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, name or None)
    await app.start()
    tg.next("getUpdates", HtmlPage(502), DropAfter())
    tg.next("sendChatAction", Failure(401, f"Unauthorized: {tg.token}"))
    await ming.says("/start join_wrong-code-1")
    await ming.says("/nonsense")
    await ming.sends_file("data.jsonl", b"{}")
    await tg.wait_for(lambda: len(tg.messages(ming)) >= 3)
    await ming.blocks()
    await ming.says("/whoami")
    await tg.wait_for(lambda: tg.calls("sendMessage")[-1].outcome.startswith("Forbidden"))
    await app.stop()
    assert len(caplog.records) > 100
    written = caplog.text + "".join(record.getMessage() for record in caplog.records)
    assert tg.token not in written
    assert tg.token.partition(":")[2] not in written
    assert secret_of(tg.token) not in written


async def test_a_deep_link_lets_somebody_in(tg: TelegramStandIn, ming: Person, tmp_path: Path) -> None:
    app = app_for(tg, tmp_path)
    await app.start()
    code = await app.core.access.issue_owner_code(None)
    await ming.says(f"/start join_{code}")
    await tg.wait_for(lambda: tg.messages(ming))
    await ming.says("/whoami")
    await tg.wait_for(lambda: len(tg.messages(ming)) == 2)
    assert "Ming" in tg.messages(ming)[1].text
    await app.stop()
