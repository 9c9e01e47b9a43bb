"""Waiting for facts, asking models, making adapters."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, GGUFWriter
from openai import AsyncOpenAI

from finetune.providers.local import LocalProvider
from finetune.providers.local.folder import JobFolder
from finetune.providers.provider import Endpoint, Status

PATIENCE = 600.0
Distribution = dict[bytes, float]


async def until(fact: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Return as soon as the fact holds; fail when it does not come true in time."""
    async with asyncio.timeout(patience):
        while not await fact():  # noqa: ASYNC110 - facts of other processes, nothing here could tell of them
            await asyncio.sleep(0.02)


async def ended(provider: LocalProvider, key: str, *, gone: bool = True) -> Status:
    """The status of a job once it has ended and (``gone``) its trainer has left."""

    status = await provider.status(key)

    async def over() -> bool:
        nonlocal status
        status = await provider.status(key)
        return status.state.ended or status.lost

    try:
        await until(over)
    except TimeoutError:
        raise TimeoutError(f"the training stands at {status}") from None
    if gone:
        folder = JobFolder(provider._data_dir / "jobs" / key)

        async def left() -> bool:
            return not folder.alive()

        await until(left)
    return await provider.status(key)


async def reached(provider: LocalProvider, key: str, step: int) -> Status:
    """The status of a job once it has done a step."""

    async def there() -> bool:
        status = await provider.status(key)
        assert not status.state.ended, status
        return not status.lost and (status.step or 0) >= step

    await until(there)
    return await provider.status(key)


def trainer(data_dir: Path, key: str) -> int:
    """The process id of a job's living trainer."""
    beat = json.loads((data_dir / "jobs" / key / "heartbeat.json").read_text("utf-8"))
    return int(beat["pid"])


def running(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def client_of(endpoint: Endpoint) -> AsyncOpenAI:
    """The SDK's client for an endpoint."""
    return AsyncOpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0)


async def distribution(
    provider: LocalProvider, model: str, messages: Sequence[Mapping[str, str]], **body: object
) -> Distribution:
    """The twenty likeliest next tokens and their log probabilities."""
    async with provider.endpoint(model) as endpoint, client_of(endpoint) as client:
        answer = await client.chat.completions.create(
            model=endpoint.model,
            messages=[dict(message) for message in messages],  # type: ignore[misc]
            max_tokens=1,
            temperature=0,
            logprobs=True,
            top_logprobs=20,
            # Of half a character the server tells nothing; what is sampled does not change the distribution.
            extra_body={**endpoint.extra_body, "grammar": 'root ::= "A"', **body},
        )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    return {bytes(entry.bytes or ()): entry.logprob for entry in logprobs.content[0].top_logprobs}


def distance(left: Distribution, right: Distribution) -> float:
    """The largest difference of a log probability over the tokens that both know; 9 when they share few."""
    common = left.keys() & right.keys()
    if len(common) < 8:
        return 9.0
    return max(abs(left[token] - right[token]) for token in common)


def write_adapter(data_dir: Path, like: str, key: str, seed: int) -> str:
    """A finished job whose adapter is random but strong; its model id."""
    origin, target = data_dir / "jobs" / like, data_dir / "jobs" / key
    manifest: dict[str, Any] = json.loads((origin / "manifest.json").read_text("utf-8"))
    result: dict[str, Any] = json.loads((origin / "result.json").read_text("utf-8"))
    model = f"local:{manifest['slug']}:{key}"
    if target.exists():
        return model
    (target / "adapter-1").mkdir(parents=True)
    reader = GGUFReader(origin / result["gguf"])
    writer = GGUFWriter(target / result["gguf"], "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    generator = np.random.default_rng(seed)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, generator.normal(0, 0.05, tensor.data.shape).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for name in ("manifest.json", "result.json"):
        shutil.copy(origin / name, target / name)
    return model
