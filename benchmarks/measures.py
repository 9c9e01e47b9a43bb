"""How fast near-duplicates are found, beside other ways to find them, tokens are counted, and all is measured.

``python -m benchmarks.measures [megabytes]`` prints one table of processor seconds and memory; each contender runs in
a process of its own. A tenth of the rows are near-duplicates that were made so; ``found`` is how many of those pairs
a contender puts together. ``datasketch`` (MinHashLSH, the same number of permutations) and ``rapidfuzz`` (every pair,
by edit distance, which is not the same likeness; on the first 2,000 rows) take part where they are installed. Tokens
are counted row by row, as measuring does it, in Chinese and in Python's own library, in MB of the file a second.
"""

import argparse
import gc
import importlib
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

_LETTERS = [chr(code) for code in range(0x4E00, 0x5E00)] + list("，。？！") * 100
_PAIRWISE_ROWS = 2000
_NEAR = 0.1

Pairs = Sequence[tuple[int, int]]
Labels = Sequence[int]


def write(path: Path, megabytes: float, *, common: int = 0) -> list[tuple[int, int]]:
    """Chinese questions and answers of about this size; returns the pairs that were made near.

    ``common`` characters begin every answer, which then are alike and not near: the worst case for comparing.
    """
    chance = random.Random(20)  # noqa: S311
    shared = "".join(chance.choices(_LETTERS, k=common))
    rows: list[tuple[str, str]] = []
    pairs, size = [], 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            if not common and rows and chance.random() < _NEAR:
                old = chance.randrange(len(rows))
                question, answer = rows[old]
                place = chance.randrange(len(answer) - 2)
                answer = answer[:place] + "".join(chance.choices(_LETTERS, k=2)) + answer[place + 2 :]
                pairs.append((old, len(rows)))
            else:
                question = "".join(chance.choices(_LETTERS, k=chance.randint(10, 60)))
                answer = shared + "".join(chance.choices(_LETTERS, k=60 if common else chance.randint(80, 320)))
            rows.append((question, answer))
            turns = [("system", "你是算命先生。"), ("user", question), ("assistant", answer)]
            messages = [{"role": role, "content": content} for role, content in turns]
            size += file.write(json.dumps({"messages": messages}, ensure_ascii=False).encode() + b"\n")
    return pairs


def write_code(path: Path, megabytes: float) -> None:
    """Code and English of about this size, 2,000 characters an answer."""
    size = 0
    with path.open("wb") as file:
        for source in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
            text = source.read_text("utf-8", "ignore")
            for begin in range(0, len(text), 2000):
                turns = [("user", source.name), ("assistant", text[begin : begin + 2000])]
                row = {"messages": [{"role": role, "content": content} for role, content in turns]}
                size += file.write(orjson.dumps(row) + b"\n")
            if size > megabytes * 1_000_000:
                return


def _rows(path: Path) -> list[list[dict[str, str]]]:
    with path.open("rb") as file:
        return [orjson.loads(line)["messages"] for line in file]


def _text(messages: Sequence[dict[str, str]]) -> str:
    return "".join(message["content"] for message in messages[1:])


def _ours(path: Path) -> Labels:
    from finetune.datasets.near import near_groups

    with path.open("rb") as file:
        labels: Labels = near_groups(orjson.loads(line)["messages"] for line in file).labels.tolist()
    return labels


def _datasketch(path: Path) -> Labels:
    from finetune.datasets.near import METHOD

    datasketch = importlib.import_module("datasketch")
    permutations = METHOD.permutations
    index = datasketch.MinHashLSH(num_perm=permutations, params=(METHOD.bands, permutations // METHOD.bands))
    labels: list[int] = []
    for number, messages in enumerate(_rows(path)):
        text = _text(messages)
        made = datasketch.MinHash(num_perm=permutations)
        made.update_batch([text[place : place + 5].encode() for place in range(max(1, len(text) - 4))])
        near: list[int] = list(index.query(made))
        labels.append(labels[min(near)] if near else number)
        index.insert(number, made)
    return labels


def _rapidfuzz(path: Path) -> Labels:
    fuzz, process = importlib.import_module("rapidfuzz.fuzz"), importlib.import_module("rapidfuzz.process")
    texts = [_text(messages) for messages in _rows(path)[:_PAIRWISE_ROWS]]
    labels = list(range(len(texts)))
    for number, text in enumerate(texts):
        found = process.extractOne(text, texts[:number], scorer=fuzz.ratio, score_cutoff=90)
        if found:
            labels[number] = labels[found[2]]
    return labels


def _measure(path: Path) -> None:
    from finetune.datasets.measures import measure

    measure(path)


def _personal(path: Path) -> None:
    from finetune.datasets.personal import counted

    counted(_rows(path))


def _split(path: Path) -> None:
    from finetune.datasets import split

    split(path, path.with_suffix(".train"), path.with_suffix(".held"), share=0.1, seed=0)


CONTENDERS: dict[str, Callable[[Path], Labels | None]] = {
    "near_groups": _ours,
    "datasketch MinHashLSH": _datasketch,
    "rapidfuzz, every pair": _rapidfuzz,
    "personal.counted": _personal,
    "measure, no tokenizer": _measure,
    "split": _split,
}
_NEEDS = {"datasketch MinHashLSH": "datasketch", "rapidfuzz, every pair": "rapidfuzz"}


COUNTERS = {"tokens of SmolLM2": None, "tokens of Qwen2.5": "Qwen/Qwen2.5-7B-Instruct"}


def count_tokens(base: str | None, path: Path) -> dict[str, Any]:
    """Processor seconds to count all tokens of a file, its vocabulary loaded before."""
    from finetune.datasets.lengths import Lengths
    from finetune.providers.local.tokens import tokenizer

    with tempfile.TemporaryDirectory() as folder:
        lengths = Lengths(tokenizer(Path(folder), base), exact_bytes=sys.maxsize)
    begin = time.process_time()
    with path.open("rb") as file:
        for line in file:
            lengths.add(orjson.loads(line)["messages"], len(line))
    found = lengths.result()
    assert found.exact
    spent = time.process_time() - begin
    return {"seconds": spent, "tokens": found.total.count}


def run(name: str, path: Path) -> dict[str, Any]:
    """One contender in this process: processor seconds and labels, if it gives any."""
    gc.disable()  # as in the worker
    if name in COUNTERS:
        return count_tokens(COUNTERS[name], path)
    begin = time.process_time()
    labels = CONTENDERS[name](path)
    spent = time.process_time() - begin
    return {"seconds": spent, "labels": labels, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _apart(name: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.measures", "--run", name, "--file", str(path)]
    # As the worker has it: rows are counted one by one, where more threads only wait for each other.
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _line(name: str, path: Path, pairs: Pairs) -> str:
    answer = _apart(name, path)
    labels = answer["labels"] or []
    asked = [(a, b) for a, b in pairs if b < len(labels)]
    found = f"{sum(labels[a] == labels[b] for a, b in asked) / len(asked):.4f}" if asked else "–"
    return f"{answer['seconds']:>9.2f}{answer['megabytes']:>9.0f}{found:>9}"


def main() -> None:
    """Print the table, or run one contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("megabytes", nargs="?", type=float, default=20)
    parser.add_argument("--run", choices=[*CONTENDERS, *COUNTERS])
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    if arguments.run:
        json.dump(run(arguments.run, arguments.file), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, alike = Path(folder) / "data.jsonl", Path(folder) / "alike.jsonl"
        pairs = write(path, arguments.megabytes)
        write(alike, arguments.megabytes, common=240)
        print(f"Python {sys.version.split()[0]}, {arguments.megabytes:g} MB of Chinese questions and answers\n")
        print(f"{'':<34}{'seconds':>9}{'MB':>9}{'found':>9}")
        for name in CONTENDERS:
            if name in _NEEDS and importlib.util.find_spec(_NEEDS[name]) is None:
                print(f"{name:<34}{'not installed':>27}")
                continue
            print(f"{name:<34}{_line(name, path, pairs)}", flush=True)
        print(f"{'near_groups, one beginning in all':<34}{_line('near_groups', alike, [])}\n")
        write_code(alike, arguments.megabytes)
        print(f"{'':<34}{'Chinese':>14}{'code, English':>14}")
        for name in COUNTERS:
            speeds = [file.stat().st_size / 1e6 / _apart(name, file)["seconds"] for file in (path, alike)]
            print(f"{name:<34}" + "".join(f"{speed:>9.1f} MB/s" for speed in speeds), flush=True)


if __name__ == "__main__":
    main()
