"""The prompt at serving is the prompt of the training, token for token."""

import json
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from finetune.evaluation.asking import asker
from finetune.evaluation.gates import UNKNOWN
from finetune.evaluation.parity import DIFFERS, SAME, Parity, parity
from finetune.providers.local import LocalProvider
from finetune.providers.local.tokens import token_counter
from finetune.providers.provider import FineTune
from tests.finetune.local.conftest import rows

pytestmark = pytest.mark.local

ROWS = [json.loads(line)["messages"] for line in rows(4).splitlines()]


@pytest.mark.parametrize("row", ROWS[2:], ids=["one turn", "two turns"])
async def test_same_prompt(provider: LocalProvider, job: FineTune, row: list[dict[str, str]]) -> None:
    async with provider.endpoint(job.base) as endpoint, asker(endpoint) as ask:
        found = await parity(provider, job.base, row, endpoint, ask)
        assert found.state == SAME
        assert found.training == found.serving
        # Token by token, beside the count.
        chat = token_counter(provider._data_dir, job.base).chat
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        async with ClientSession(headers=headers) as client:
            text = chat.render(row[:-1], prompt=True)
            body = {"content": text, "add_special": False, "parse_special": True}
            async with client.post(endpoint.base_url.removesuffix("/v1") + "/tokenize", json=body) as response:
                assert (await response.json())["tokens"] == chat.conversation(row[:-1], prompt=True)


async def test_another_prompt_is_noticed(provider: LocalProvider, job: FineTune) -> None:
    class Other:
        """A trainer whose template writes a line more."""

        async def pieces(self, base: str, messages: object, max_tokens: int) -> object:
            found = await provider.pieces(base, messages, max_tokens)  # type: ignore[arg-type]
            return [replace(found[0], text=found[0].text + "\n", tokens=found[0].tokens + 1), *found[1:]]

    async with provider.endpoint(job.base) as endpoint, asker(endpoint) as ask:
        assert (await parity(Other(), job.base, ROWS[0], endpoint, ask)).state == DIFFERS
        # A server that tells nothing of its template still counts the tokens of a request.
        hidden = replace(endpoint, base_url=endpoint.base_url.replace("/v1", "/nowhere/v1"))
        assert (await parity(provider, job.base, ROWS[0], hidden, ask)).state == SAME
        assert (await parity(Other(), job.base, ROWS[0], hidden, ask)).state == DIFFERS
        assert await parity(object(), job.base, ROWS[0], endpoint, ask) == Parity(UNKNOWN)
