"""The model server: first word cold and warm, tokens a second, memory with four adapters known.

``python -m benchmarks.serving --data DIR --models local:…:a local:…:b …`` on a data folder with finished trainings.
"""

import argparse
import asyncio
import time
from pathlib import Path
from statistics import median

import psutil
from openai import AsyncStream

from bot.answering.openai_model import client_of
from finetune.providers.local import LocalProvider

SYSTEM = "你是位精通八字算命、紫微斗数、风水、易经卦象、塔罗牌占卜、星象、面相手相和运势预测等方面的算命大师"
QUESTIONS = ("Should I move house?", "我该不该养一只猫？", "Is the 14th a good day to travel?", "我昨晚梦见了海。")
WORDS = 120


async def ask(provider: LocalProvider, model: str, question: str) -> tuple[float, float]:
    """Seconds from asking for the endpoint to the first word, and tokens a second after it."""
    start = time.monotonic()
    first = last = 0.0
    count = 0
    async with (
        provider.endpoint(model) as endpoint,
        client_of(endpoint.base_url, endpoint.api_key) as client,
    ):
        stream = await client.chat.completions.create(
            model=endpoint.model,
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
            max_tokens=WORDS,
            temperature=0,
            stream=True,
            extra_body={**endpoint.extra_body, "ignore_eos": True},
        )
        assert isinstance(stream, AsyncStream)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                last = time.monotonic()
                first = first or last
                count += 1
    # Several tokens may make one character: the number asked for is the number made.
    return first - start, (WORDS - 1) / (last - first) if count > 1 else 0.0


async def run(folder: Path, models: list[str], rounds: int) -> None:
    """Print one table."""
    cold = []
    for _ in range(rounds):
        provider = LocalProvider(folder)
        cold.append((await ask(provider, models[0], QUESTIONS[0]))[0])
        await provider.close()
    provider = LocalProvider(folder)
    base = provider.bases[0].id
    print(f"{'first word, server not running':34} {median(cold):6.2f} s")
    for model in (base, *models):
        await ask(provider, model, "Hello")
        figures = [await ask(provider, model, question) for _ in range(rounds) for question in QUESTIONS]
        warm, speed = median(first for first, _ in figures), median(rate for _, rate in figures)
        print(f"{model[-34:]:34} {warm:6.2f} s to the first word, {speed:5.0f} tokens/s")
    start = time.monotonic()
    together = await asyncio.gather(
        *(ask(provider, model, question) for model, question in zip(models * 4, QUESTIONS, strict=False))
    )
    slowest = max(first for first, _ in together)
    total = len(together) * WORDS / (time.monotonic() - start)
    print(f"{'four at once':34} {slowest:6.2f} s to the last first word, {total:5.0f} tokens/s together")
    memory = sum(psutil.Process(pid).memory_info().rss for pid in provider.server_processes())
    print(f"{f'memory, {len(models)} adapters known':34} {memory / 1e6:6.0f} MB in {len(provider.server_processes())}")
    await provider.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(run(options.data, options.models, options.rounds))


if __name__ == "__main__":
    main()
