"""What the doctor says of providers: set up, reachable, allowed; and each assumption, by its id. Never a key."""

from pathlib import Path

from bot.cli import providers
from bot.settings import ProviderAccess
from tests.fakes.providers.siliconflow import SiliconFlowStandIn
from tests.fakes.providers.standin import KEY, served


async def test_set_up_reachable_allowed(tmp_path: Path) -> None:
    async with served(SiliconFlowStandIn(files_open=False), "/v1") as vendor:
        access = {"siliconflow": ProviderAccess(KEY, vendor.base_url)}
        found = await providers.look(access.get, tmp_path, None, live=False)
        assert found[0].good
        assert "siliconflow" in found[0].text
        assert "nebius" in found[1].text
        live = await providers.look(access.get, tmp_path, "siliconflow", live=True)
        assert [check.good for check in live] == [True, True, True, False, None, True]
        assert live[3].text.startswith("SF3 ")
        wrong = {"siliconflow": ProviderAccess("sk-nobody-sees-this", vendor.base_url)}
        bad = await providers.look(wrong.get, tmp_path, "siliconflow", live=True)
        assert [check.good for check in bad] == [False, False]
        assert "provider_key" in bad[0].text
        assert "sk-nobody-sees-this" not in repr(bad)
    none = await providers.look(access.get, tmp_path, "nebius", live=True)
    assert [check.good for check in none] == [False]
