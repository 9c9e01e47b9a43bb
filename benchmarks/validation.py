"""How fast datasets are judged: ours beside a bare ``orjson.loads`` loop, on generated files, in one run.

``python -m benchmarks.validation [megabytes]`` prints MB/s of processor time, the median of five alternating runs.
The bare loop reads lines and parses them, nothing else. Ours judges, counts and writes the canonical form.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from finetune.datasets import examine
from finetune.datasets.judging import judge

RUNS = 5
_LETTERS = [chr(code) for code in range(0x4E00, 0x5E00)]
_ODD = (
    lambda row: row[:-1],
    lambda row: row.replace('"user"', '"tool"'),
    lambda row: row.replace('{"messages"', '{"id": 1, "messages"'),
    lambda row: row + row,
    lambda row: "",
    lambda row: row.replace('"content"', '"contents"'),
)


def _words(chance: random.Random, count: int) -> str:
    return "".join(chance.choices(_LETTERS, k=count))


def _single(chance: random.Random) -> str:
    turns = [("user", _words(chance, chance.randint(10, 60))), ("assistant", _words(chance, chance.randint(80, 320)))]
    return _row(turns)


def _long(chance: random.Random) -> str:
    turns = []
    for _ in range(chance.randint(6, 14)):
        turns += [("user", _words(chance, 60)), ("assistant", _words(chance, 400))]
    return _row(turns)


def _odd(chance: random.Random) -> str:
    row = _single(chance)
    return chance.choice(_ODD)(row) if chance.random() < 0.01 else row


def _row(turns: list[tuple[str, str]]) -> str:
    messages = [{"role": role, "content": content} for role, content in [("system", "你是算命先生。"), *turns]]
    return json.dumps({"messages": messages}, ensure_ascii=False)


KINDS: dict[str, Callable[[random.Random], str]] = {
    "question and answer": _single,
    "long conversations": _long,
    "1 % odd lines": _odd,
}


def write(path: Path, make: Callable[[random.Random], str], megabytes: int) -> None:
    """A file of about this size."""
    chance = random.Random(20)  # noqa: S311
    size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            size += file.write(make(chance).encode() + b"\n")


def bare(path: Path) -> None:
    """What a loop takes that only parses."""
    with path.open("rb") as file:
        for line in file:
            try:
                orjson.loads(line)
            except orjson.JSONDecodeError:
                continue


def speeds(path: Path, contenders: list[Callable[[Path], object]]) -> list[float]:
    """MB/s of processor time of each, run in turn so that a busy moment hits all."""
    size = path.stat().st_size / 1e6
    spent: list[list[float]] = [[] for _ in contenders]
    for _ in range(RUNS):
        for contender, times in zip(contenders, spent, strict=True):
            begin = time.process_time()
            contender(path)
            times.append(time.process_time() - begin)
    return [size / statistics.median(times) for times in spent]


async def whole(path: Path, canonical: Path) -> float:
    """Seconds on the wall from the file to its report, process and all; the median."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        await examine(path, canonical)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("megabytes", nargs="?", type=int, default=50)
    megabytes = parser.parse_args().megabytes
    gc.disable()  # as in the worker
    with tempfile.TemporaryDirectory() as folder:
        path, canonical = Path(folder) / "data.jsonl", Path(folder) / "canonical.jsonl"
        print(f"Python {sys.version.split()[0]}, {megabytes} MB a file, MB/s of processor time, median of {RUNS}\n")
        print(f"{'file':<22}{'orjson.loads alone':>20}{'judged':>10}{'share':>8}")
        for name, make in KINDS.items():
            write(path, make, megabytes)
            parse, ours = speeds(path, [bare, lambda source: judge(source, canonical)])
            print(f"{name:<22}{parse:>20.0f}{ours:>10.0f}{ours / parse:>8.2f}")
        write(path, _single, 5)
        print(f"\n5 MB from file to report, in a process of its own: {asyncio.run(whole(path, canonical)):.2f} s")


if __name__ == "__main__":
    main()
