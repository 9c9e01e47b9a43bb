"""How fast datasets are judged: ours beside a bare ``orjson.loads`` loop and others, on generated files, in one run.

``python -m benchmarks.validation [megabytes]`` prints one table: MB/s, the median of five runs that alternate, each in
a process of its own, imports not counted. The bare loop reads lines and parses them, nothing else. Ours judges,
counts, finds duplicates and writes the canonical form to the disk.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.validation_files import long, odd, single, write

RUNS = 5
KINDS = {"a question and answer": single, "b long conversations": long, "c 1 % broken lines": odd}

# Each defines run(path, canonical).
_BARE = """
import orjson
def run(path, canonical):
    with open(path, "rb") as file:
        for line in file:
            try:
                orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
"""
_PYDANTIC = """
from typing import Literal
from pydantic import BaseModel, ValidationError
class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str
class Row(BaseModel):
    messages: list[Message]
def run(path, canonical):
    with open(path, "rb") as file:
        for line in file:
            try:
                Row.model_validate_json(line)
            except ValidationError:
                continue
"""
_OURS = """
from pathlib import Path
from finetune.datasets.judging import judge
import finetune.datasets.bulk
def run(path, canonical):
    judge(Path(path), Path(canonical), processes={processes})
"""
_TOGETHER = """
from together.utils.files import check_file
def run(path, canonical):
    check_file(path)
"""
_NOTHING = """
def run(path, canonical):
    pass
"""
_MEASURED = """
import gc, json, resource, sys, time
gc.disable()
def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
before, begin = spent(), time.perf_counter()
run(sys.argv[1], sys.argv[2])
wall, cpu = time.perf_counter() - begin, spent() - before
print(json.dumps([cpu, wall, peak()]))
"""


class Measured:
    """The runs of one contender over one file."""

    def __init__(self, name: str, program: str, python: str = sys.executable) -> None:
        self.name = name
        self._command = [python, "-c", program + _MEASURED]
        self._runs: list[tuple[float, float, float]] = []

    def run(self, path: Path, canonical: Path) -> None:
        """Run once more."""
        # As the worker has it: a numeric library would start threads of its own.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOGETHER_NO_BANNER": "1"}
        done = subprocess.run(
            [*self._command, str(path), str(canonical)], capture_output=True, text=True, check=True, env=environment
        )
        cpu, wall, peak = json.loads(done.stdout.splitlines()[-1])
        self._runs.append((cpu, wall, peak))

    @property
    def cpu(self) -> float:
        """Seconds of processor time, children included."""
        return statistics.median(run[0] for run in self._runs)

    @property
    def wall(self) -> float:
        """Seconds on the wall."""
        return statistics.median(run[1] for run in self._runs)

    @property
    def peak(self) -> float:
        """Peak resident memory in MB."""
        return max(run[2] for run in self._runs)


def contenders(together: str | None) -> list[Measured]:
    """All, the bare loop first."""
    found = [
        Measured("orjson.loads alone", _BARE),
        Measured("ours, one process", _OURS.format(processes=1)),
        Measured("ours, two processes", _OURS.format(processes=2)),
        Measured("pydantic models", _PYDANTIC),
    ]
    return [*found, Measured("together check_file", _TOGETHER, together)] if together else found


def table(path: Path, canonical: Path, kind: str, together: str | None) -> None:
    """Measure all on one file and print their lines."""
    size = path.stat().st_size / 1e6
    found = contenders(together)
    for _ in range(RUNS):
        for contender in found:
            contender.run(path, canonical)
    bare = found[0]
    for one in found:
        speeds = f"{size / one.cpu:>9.0f}{size / one.wall:>9.0f}"
        print(f"{kind:<22}{one.name:<21}{speeds}{bare.cpu / one.cpu:>8.2f}{bare.wall / one.wall:>8.2f}")


def memory(folder: Path, canonical: Path, sizes: list[int]) -> None:
    """Print what one process takes above an empty interpreter."""
    path = folder / "memory.jsonl"
    nothing = Measured("", _NOTHING)
    write(path, single, 1)
    nothing.run(path, canonical)
    for megabytes in sizes:
        write(path, single, megabytes)
        ours = Measured("", _OURS.format(processes=1))
        ours.run(path, canonical)
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        above = ours.peak - nothing.peak
        rest = above - lines * 16 / 2**20
        print(f"{megabytes:>5} MB: {above:.0f} MiB above the interpreter, {rest:.0f} without 16 B a line")
    path.unlink()


def upload(folder: Path, canonical: Path) -> None:
    """Print the processor time of a file as people send it."""
    path = folder / "upload.jsonl"
    write(path, single, 20)
    judging = Measured("", _OURS.format(processes=1))
    request = {"source": str(path), "canonical": str(canonical), "tokenizer": None, "name": path.name, "reading": None}
    whole = json.dumps({**request, "seconds": 60, "memory_bytes": 1 << 30})
    worker = Measured(
        "",
        "import subprocess\n"
        "def run(path, canonical):\n"
        f"    worker = [sys.executable, '-m', 'finetune.datasets.worker']\n"
        f"    subprocess.run(worker, input={whole!r}, text=True, check=True, capture_output=True)\n",
    )
    for _ in range(RUNS):
        judging.run(path, canonical)
        worker.run(path, canonical)
    ours, started = (1000 * one.cpu for one in (judging, worker))
    print(f"20 MB: {ours:.0f} ms of processor time to judge, {started:.0f} ms with a process to start")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("megabytes", nargs="?", type=int, default=200)
    parser.add_argument("--together-python", help="a Python with together==1.5.35 installed")
    parser.add_argument("--large", action="store_true", help="measure the memory at 2 GB too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, canonical = folder / "data.jsonl", folder / "canonical.jsonl"
        print(f"Python {sys.version.split()[0]}, {arguments.megabytes} MB a file, MB/s, median of {RUNS}\n")
        print(f"{'':<43}{'cpu':>9}{'wall':>9}{'share':>8}{'share':>8}")
        for kind, make in KINDS.items():
            write(path, make, arguments.megabytes)
            table(path, canonical, kind, arguments.together_python)
        path.unlink()
        print()
        memory(folder, canonical, [20, 200, *([2000] if arguments.large else [])])
        upload(folder, canonical)


if __name__ == "__main__":
    main()
