"""The model server: right answers whatever was asked before, lives as long as it should."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import httpx
import pytest
from openai import AsyncStream

from finetune.errors import ProviderError
from finetune.providers.local import LocalProvider
from tests.finetune.local import helpers
from tests.finetune.local.conftest import SYSTEM, Tuned

pytestmark = pytest.mark.local

QUESTIONS = ("What is in box 3?", "What is in box 4?", "三号箱子重吗？")
# Two computations of the same differ by what batching and rounding do; two adapters differ by far more.
SAME = 0.3


def conversation(question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


async def references(provider: LocalProvider, models: tuple[str, ...]) -> dict[tuple[str, str], helpers.Distribution]:
    """What each model says without any cache; and surely no two models say the same."""
    found = {
        (model, question): await helpers.distribution(provider, model, conversation(question), cache_prompt=False)
        for model, question in product(models, QUESTIONS)
    }
    for one, other in product(models, models):
        if one != other:
            assert helpers.distance(found[one, QUESTIONS[0]], found[other, QUESTIONS[0]]) > 3 * SAME
    return found


async def test_base_tuned_and_base_again(provider: LocalProvider, tuned: Tuned, crowd: tuple[str, ...]) -> None:
    base = tuned.job.base
    expected = await references(provider, (base, tuned.model, crowd[0]))
    for model in (base, tuned.model, base, crowd[0], tuned.model, base, tuned.model, crowd[0], base):
        for question in QUESTIONS:
            got = await helpers.distribution(provider, model, conversation(question))
            assert helpers.distance(got, expected[model, question]) < SAME, (model, question)


async def test_four_at_once(provider: LocalProvider, tuned: Tuned, crowd: tuple[str, ...]) -> None:
    models = (tuned.job.base, tuned.model, *crowd)
    expected = await references(provider, models)
    for turn in range(6):
        asked = [(models[(turn + place) % 5], QUESTIONS[(turn * place) % 3]) for place in range(4)]
        answers = await asyncio.gather(
            *(helpers.distribution(provider, model, conversation(question)) for model, question in asked)
        )
        for (model, question), answer in zip(asked, answers, strict=True):
            assert helpers.distance(answer, expected[model, question]) < SAME, (turn, model, question)


async def test_a_long_history_is_read_once(provider: LocalProvider, tuned: Tuned) -> None:
    history = conversation("Begin.")
    for number in range(16):
        history += [
            {"role": "assistant", "content": f"Ahoy! In box {number} there lie {number + 2} ropes and a lantern."},
            {"role": "user", "content": f"What is in box {number + 1}?"},
        ]
    read = []
    for _ in range(3):
        async with provider.endpoint(tuned.model) as endpoint, helpers.client_of(endpoint) as client:
            answer = await client.chat.completions.create(
                model=endpoint.model,
                messages=history,  # type: ignore[arg-type]
                max_tokens=12,
                extra_body=dict(endpoint.extra_body),
            )
        assert answer.model_extra is not None
        read.append(answer.model_extra["timings"]["prompt_n"])
        text = answer.choices[0].message.content or ""
        history += [{"role": "assistant", "content": text}, {"role": "user", "content": "And the next?"}]
        # Another conversation in between must not cost this one its place.
        await helpers.distribution(provider, tuned.model, conversation("What is in box 90?"))
    assert read[0] > 600
    assert max(read[1:]) < 60


async def test_serving_reads_what_training_wrote(provider: LocalProvider, tuned: Tuned, data_dir: Path) -> None:
    from finetune.providers.local.tokens import token_counter

    counter = token_counter(data_dir)
    messages = [*conversation("2024 年 3 月？ 42 boxes"), {"role": "assistant", "content": "Ahoy! 😀"}]
    messages.append({"role": "user", "content": "  And\n\nthen?"})
    async with provider.endpoint(tuned.model) as endpoint:
        root = endpoint.base_url.removesuffix("/v1")
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        async with httpx.AsyncClient(base_url=root, headers=headers) as client:
            prompt = (await client.post("/apply-template", json={"messages": messages})).json()["prompt"]
            asked = {"content": prompt, "parse_special": True}
            tokens = (await client.post("/tokenize", json=asked)).json()["tokens"]
    assert prompt == counter.chat.render(messages, prompt=True)
    assert tokens == counter.chat.conversation(messages, prompt=True)


async def test_a_stranger_gets_nothing(provider: LocalProvider, tuned: Tuned) -> None:
    async with provider.endpoint(tuned.model) as endpoint, httpx.AsyncClient() as client:
        assert endpoint.base_url.startswith("http://127.0.0.1:")
        answer = await client.post(f"{endpoint.base_url}/chat/completions", json={"messages": conversation("Hello")})
        assert answer.status_code == 401
    pid = provider.server_processes()[0]
    for file in ("cmdline", "environ"):
        assert endpoint.api_key.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()


async def test_it_stops_when_idle_and_starts_again(data_dir: Path, tuned: Tuned) -> None:
    provider = LocalProvider(data_dir, idle_seconds=0.05)
    async with provider.endpoint(tuned.job.base):
        (first,) = provider.server_processes()

    async def gone() -> bool:
        return not helpers.running(first) and provider.server_processes() == ()

    await helpers.until(gone)
    await helpers.distribution(provider, tuned.model, conversation(QUESTIONS[0]))
    await provider.close()
    assert provider.server_processes() == ()


async def test_a_dead_server_is_replaced(provider: LocalProvider, tuned: Tuned) -> None:
    async with provider.endpoint(tuned.model):
        (first,) = provider.server_processes()
    os.kill(first, signal.SIGKILL)

    async def gone() -> bool:
        return provider.server_processes() == ()

    await helpers.until(gone)
    await helpers.distribution(provider, tuned.model, conversation(QUESTIONS[0]))
    assert provider.server_processes() != (first,)


async def test_a_new_adapter_does_not_cut_a_running_answer(
    provider: LocalProvider, tuned: Tuned, data_dir: Path
) -> None:
    async with provider.endpoint(tuned.model) as endpoint, helpers.client_of(endpoint) as client:
        stream = await client.chat.completions.create(
            model=endpoint.model,
            messages=conversation("Tell me all."),  # type: ignore[arg-type]
            max_tokens=120,
            stream=True,
            extra_body={**endpoint.extra_body, "ignore_eos": True},
        )
        chunks = 0
        assert isinstance(stream, AsyncStream)
        async for chunk in stream:
            chunks += bool(chunk.choices and chunk.choices[0].delta.content)
            if chunks == 5:
                (before,) = provider.server_processes()
                fresh = helpers.write_adapter(data_dir, tuned.job.key, "random-late", 9)
                await helpers.distribution(provider, fresh, conversation(QUESTIONS[0]))
                assert len(provider.server_processes()) == 2
        assert chunks > 60

    async def drained() -> bool:
        return before not in provider.server_processes() and not helpers.running(before)

    await helpers.until(drained)
    assert len(provider.server_processes()) == 1


PARENT = """
import asyncio, sys
from pathlib import Path
from finetune.providers.local import LocalProvider

async def main():
    provider = LocalProvider(Path(sys.argv[1]))
    async with provider.endpoint(provider.bases[0].id):
        print(*provider.server_processes(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_it_dies_with_its_parent(data_dir: Path, tuned: Tuned) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(data_dir)], stdout=subprocess.PIPE) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        server = int(await asyncio.to_thread(parent.stdout.readline))
        assert helpers.running(server)
        parent.kill()

    async def gone() -> bool:
        return not helpers.running(server)

    await helpers.until(gone, patience=10)


async def test_unknown_models_are_refused(provider: LocalProvider, tuned: Tuned, data_dir: Path) -> None:
    for model in ("local:smollm2-135m-instruct:never-made", f"local:other-base:{tuned.job.key}"):
        with pytest.raises(ProviderError) as caught:
            async with provider.endpoint(model):
                pass
        assert caught.value.code == "model_missing"
    with pytest.raises(ProviderError) as caught:
        await provider.plan(replace(tuned.job, base=str(data_dir / "nowhere")))
    assert caught.value.code == "base_missing"


async def test_recommended_sampling_is_accepted(provider: LocalProvider, tuned: Tuned) -> None:
    sampling = dict(provider.sampling(tuned.model))
    extra = sampling.pop("extra_body")
    assert isinstance(extra, dict)
    async with provider.endpoint(tuned.model) as endpoint, helpers.client_of(endpoint) as client:
        answer = await client.chat.completions.create(  # type: ignore[call-overload]
            model=endpoint.model,
            messages=conversation(QUESTIONS[0]),
            extra_body={**extra, **endpoint.extra_body},
            **sampling,
        )
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
