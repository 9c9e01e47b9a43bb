"""Signed news of a provider: it is asked at once. Unsigned news change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.services.hooks import Hooks
from finetune.providers.openai_compatible import OpenAICompatibleProvider
from tests.fakes.model import ModelStandIn
from tests.fakes.providers.openai_shape import OpenAIStandIn
from tests.fakes.providers.standin import KEY, served
from tests.services.world import World, dataset

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAIStandIn]:
    async with served(OpenAIStandIn(), "/v1/") as found:
        yield found


async def test_a_signed_post_ends_the_waiting(tmp_path: Path, model: ModelStandIn, vendor: OpenAIStandIn) -> None:
    # It would be asked once an hour.
    provider = OpenAICompatibleProvider(
        "openai", KEY, tmp_path / "notes", base_url=vendor.base_url, webhook_secret=SECRET, seconds=3600
    )
    world = World(tmp_path, model.endpoint, others=lambda: {"openai": provider})
    await world.start()
    assert world.app is not None
    hooks = Hooks("127.0.0.1", 0, world.app.operating.notified)
    await hooks.start()
    ann = await world.owner()
    await world.uploaded(ann, dataset(14))
    await ann.says("/train --provider openai --base gpt-4o-mini")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    assert "no new trainings from 2027-01-06 on" in world.chats.text()
    await ann.presses("Start")
    await world.chats.until(lambda: "says: validating_files" in world.chats.text())
    vendor.finish()
    body, headers = vendor.post("ftjob-1", SECRET)
    async with aiohttp.ClientSession() as session:

        async def post(name: str, headers: dict[str, str], data: bytes = body) -> int:
            async with session.post(
                f"http://127.0.0.1:{hooks.port}/hooks/{name}", data=data, headers=headers
            ) as answer:
                return answer.status

        assert await post("openai", {}) == 401
        assert await post("openai", headers, body + b" ") == 401
        assert await post("scripted", headers) == 401
        assert await post("nobody", headers) == 401
        assert await post("openai", headers, b"x" * 100_000) == 413
        await world.app.watch.look()
        assert not world.titles("is done")
        assert await post("openai", headers) == 204
    await world.chats.until(lambda: world.titles("is done"))
    await hooks.stop()
    await world.stop()
    await provider.close()
