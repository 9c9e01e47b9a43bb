"""The process around the measuring."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from finetune.datasets.measures import measure
from finetune.datasets.measuring import measured
from finetune.errors import DatasetError
from tests.finetune.datasets.samples import chat, good, line, text
from tests.finetune.datasets.words import word_tokenizer


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    path = tmp_path / "canonical.jsonl"
    path.write_bytes(text(*good(40), line(chat("电话13812345678", "好"))))
    return path


@asynccontextmanager
async def no_process_is_left() -> AsyncIterator[None]:
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


async def test_it_says_what_measuring_here_says(canonical: Path, tmp_path: Path) -> None:
    tokenizer = word_tokenizer(tmp_path)
    async with no_process_is_left():
        assert await measured(canonical) == measure(canonical)
        assert await measured(canonical, tokenizer=tokenizer, markers=5) == measure(canonical, tokenizer, markers=5)


async def test_without_a_limit_it_has_enough(canonical: Path) -> None:
    canonical.write_bytes(text(line(chat("问", "答" * 5_000_000)), *good(2000)))
    assert (await measured(canonical)).rows == 2001


async def test_too_slow(canonical: Path) -> None:
    async with no_process_is_left():
        with pytest.raises(DatasetError) as caught:
            await measured(canonical, seconds=0.001)
    assert caught.value.code == "dataset_too_slow"


async def test_too_slow_by_processor_time(canonical: Path) -> None:
    """The wall clock allows what the processor's limit does not: a process that was stopped by the latter."""
    fifo = canonical.with_name("endless")
    os.mkfifo(fifo)
    row = line(chat("问", "答" * 2000)) + b"\n"

    def feed() -> None:
        try:
            with fifo.open("wb") as file:
                while True:
                    file.write(row)
        except BrokenPipeError:
            return

    feeding = asyncio.create_task(asyncio.to_thread(feed))
    with pytest.raises(DatasetError) as caught:
        await measured(fifo, seconds=1)
    await feeding
    assert caught.value.code == "dataset_too_slow"


async def test_too_heavy(canonical: Path) -> None:
    canonical.write_bytes(text(line(chat("问", "答" * 5_000_000))))
    with pytest.raises(DatasetError) as caught:
        await measured(canonical, memory_bytes=160 << 20)
    assert caught.value.code == "dataset_too_heavy"


async def test_a_file_that_is_not_canonical_is_a_mistake_of_the_caller(canonical: Path) -> None:
    canonical.write_bytes(b"secret words\n")
    with pytest.raises(RuntimeError, match="measurer ended") as caught:
        await measured(canonical)
    assert "secret" not in str(caught.value)


async def test_who_is_cancelled_leaves_no_process(canonical: Path) -> None:
    async with no_process_is_left():
        fifo = canonical.with_name("silent")
        os.mkfifo(fifo)
        task = asyncio.create_task(measured(fifo))
        # The process has begun once it reads.
        file = await asyncio.to_thread(fifo.open, "wb")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        file.close()


@pytest.mark.parametrize("module", ["finetune.datasets", "finetune.datasets.measuring"])
def test_the_bot_does_not_pay_for_what_the_process_imports(module: str) -> None:
    heavy = "{'numpy', 'stdnum', 'phonenumbers', 'tokenizers'}"
    code = f"import sys, {module}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
