"""The process around the judging: what it leaves behind, and what becomes of the worst files."""

import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from finetune.datasets import examine
from finetune.errors import DatasetError
from tests.finetune.datasets.samples import among_good, chat, good, line, text

Upload = Callable[[bytes], Path]


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    def write(data: bytes) -> Path:
        path = tmp_path / "upload.jsonl"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    return tmp_path / "canonical.jsonl"


def left_behind(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def test_a_good_file_leaves_its_canonical_form(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    row = {"id": 1, "messages": [{"content": "问 \u2028", "role": "user"}, {"role": "assistant", "content": "答"}]}
    report = await examine(upload(text(*good(), line(row))), canonical)
    assert report.ok
    assert left_behind(tmp_path) == ["canonical.jsonl", "upload.jsonl"]
    *before, last = canonical.read_bytes().split(b"\n")[:-1]
    assert [json.loads(found) for found in before] == [json.loads(found) for found in good()]
    kept = '{"messages": [{"role": "user", "content": "问 \u2028"}, {"role": "assistant", "content": "答"}]}'
    assert last.decode() == kept


async def test_a_bad_file_leaves_nothing(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    report = await examine(upload(among_good(b"oops")), canonical)
    assert not report.ok
    assert report.findings[0].line == 13
    assert left_behind(tmp_path) == ["upload.jsonl"]


async def test_a_refused_file_leaves_nothing(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    for data, code in ((b"", "dataset_empty"), (b"a,b\n1,2\n", "table_columns"), (b"x" * 2001, "dataset_too_large")):
        with pytest.raises(DatasetError) as refusal:
            await examine(upload(data), canonical, max_bytes=2000)
        assert refusal.value.code == code
    assert left_behind(tmp_path) == ["upload.jsonl"]


async def test_the_name_that_people_know_counts(upload: Upload, canonical: Path) -> None:
    report = await examine(upload(text(*good())), canonical, name="dataset.json")
    assert [finding.code for finding in report.findings] == ["json_holds_lines"]


async def test_too_slow_is_an_error_and_leaves_nothing(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dataset_too_slow"):
        await examine(slow(upload), canonical, seconds=0.5)
    assert left_behind(tmp_path) == ["upload.jsonl"]
    assert not workers()


async def test_too_much_processor_time_is_an_error(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    brackets = b'{"messages": ' + b"[]," * 5_000_000 + b"0}"
    with pytest.raises(DatasetError) as refusal:
        await examine(upload(text(*good(), *[brackets] * 12)), canonical, seconds=1)
    assert refusal.value.code == "dataset_too_slow"
    assert left_behind(tmp_path) == ["upload.jsonl"]


async def test_too_much_memory_is_an_error(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    row = b'{"messages": [' + b'{"":0},' * 2_000_000 + b"0]}"
    with pytest.raises(DatasetError) as refusal:
        await examine(upload(among_good(row)), canonical, memory_bytes=150 << 20)
    assert (refusal.value.code, refusal.value.fields) == ("dataset_too_heavy", {"limit": 150})
    assert left_behind(tmp_path) == ["upload.jsonl"]


async def test_a_cancelled_judging_leaves_no_process_and_no_file(
    upload: Upload, canonical: Path, tmp_path: Path
) -> None:
    task = asyncio.create_task(examine(slow(upload), canonical))
    await being_read(canonical)
    assert len(left_behind(tmp_path)) == 2
    assert len(workers()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_behind(tmp_path) == ["upload.jsonl"]
    assert not workers()


async def test_a_killed_worker_leaves_nothing(upload: Upload, canonical: Path, tmp_path: Path) -> None:
    task = asyncio.create_task(examine(slow(upload), canonical))
    await being_read(canonical)
    for worker in workers():
        worker.kill()
    with pytest.raises(DatasetError, match="dataset_too_heavy"):
        await task
    assert left_behind(tmp_path) == ["upload.jsonl"]


def slow(upload: Upload) -> Path:
    """A source that takes a worker seconds to read: every line of it has to be explained."""
    return upload(b'{"messages": 1}\n' * 600_000)


async def being_read(canonical: Path) -> None:
    """Return when a worker has begun: it opens the file for the canonical form just before the first row."""

    def look() -> None:
        while not list(canonical.parent.glob(f"{canonical.name}.*.part")):
            pass

    await asyncio.wait_for(asyncio.to_thread(look), 30)


def workers() -> list[psutil.Process]:
    """The judging processes that this test has."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "finetune.datasets.worker" in child.cmdline()]


BOMBS = {
    "nesting": among_good(b"[" * 10_000_000 + b"]" * 10),
    "objects": among_good(b'{"a":' * 2_000_000),
    "a line of 50 MB": among_good(line(chat("x" * 50_000_000, "y"))),
    "an integer of a million digits": among_good(b'{"n": ' + b"7" * 1_000_000 + b"}"),
    "quotes": among_good(b'"' * 15_000_000),
    "backslashes": among_good(b'{"messages": "' + b"\\" * 15_000_000),
    "an array that never ends": b"[" + b",".join(good()) + b',{"a":"' + b"x" * 50_000_000,
    "newlines": text(*good()) + b"\n" * 200_000,
    "NUL": text(*good(40), b"\0" * 15_000_000),
    "many messages": among_good(b'{"messages":[' + b"1," * 2_000_000 + b"1]}"),
}


@pytest.mark.parametrize("kind", BOMBS)
async def test_bombs_are_findings_in_bounded_memory(upload: Upload, canonical: Path, kind: str) -> None:
    report = await examine(upload(BOMBS[kind]), canonical, seconds=30, memory_bytes=700 << 20)
    assert not report.ok
    assert report.good_rows >= 12
    assert 1 <= len(report.findings) <= 1000
    assert all(len(value) < 100 for finding in report.findings for value in finding.fields.values())
    assert not canonical.exists()


def _request(source: Path, canonical: Path, seconds: int = 60) -> str:
    return json.dumps(
        {
            "source": str(source),
            "canonical": str(canonical),
            "name": source.name,
            "reading": None,
            "seconds": seconds,
            "memory_bytes": 1 << 30,
        }
    )


def test_the_worker_bounds_its_own_processor_time(upload: Upload, canonical: Path) -> None:
    source = upload(text(*good(), *[b'{"messages": ' + b"[]," * 5_000_000 + b"0}"] * 12))
    worker = [sys.executable, "-m", "finetune.datasets.worker"]
    done = subprocess.run(worker, input=_request(source, canonical, 1), capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGXCPU


def _peak_of_worker(source: Path, canonical: Path) -> int:
    """Peak resident memory of the worker in bytes, as the system counts it."""
    program = (
        "import resource, sys; from finetune.datasets.worker import main; main();"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=_request(source, canonical), capture_output=True, text=True, check=True
    )
    assert "report" in json.loads(done.stdout)
    return int(done.stderr) * (1 if sys.platform == "darwin" else 1024)


def test_memory_does_not_grow_with_the_file(upload: Upload, canonical: Path) -> None:
    small = _peak_of_worker(upload(text(*good())), canonical)
    rows = b"".join(line(chat(f"第{index}问：明天出门好吗？", "答" * 250)) + b"\n" for index in range(100_000))
    assert len(rows) > 80_000_000
    large = _peak_of_worker(upload(rows), canonical)
    assert large - small < 60 << 20


def test_the_worker_imports_only_what_it_needs() -> None:
    program = "import sys, finetune.datasets.worker as w; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"asyncio", "tokenizers", "torch", "pandas", "numpy", "pydantic", "babel", "bot"}


async def test_no_secret_reaches_the_worker(upload: Upload, canonical: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "secret")
    task = asyncio.create_task(examine(slow(upload), canonical))
    await being_read(canonical)
    (worker,) = workers()
    environment = worker.environ()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "PYTHONPATH" in environment
    assert "TELEGRAM_BOT_TOKEN" not in environment


async def test_five_megabytes_are_judged_in_little_processor_time(upload: Upload, canonical: Path) -> None:
    rows = b"".join(line(chat(f"第{index}问：明天出门好吗？", "答" * 280)) + b"\n" for index in range(5200))
    source = upload(rows)
    await examine(source, canonical)  # whatever is slow only once
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    report = await examine(source, canonical)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert report.rows == 5200
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # A tenth of a second where nothing else runs; the wall clock of a busy machine proves nothing.
    assert spent < 0.5, f"{spent:.2f} s of processor time, {time.perf_counter() - begin:.2f} s on the wall"
