"""The process around the judging: what it leaves behind, and what becomes of the worst sets."""

import asyncio
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from finetune.errors import DatasetError
from finetune.images import Parameters, examine
from tests.finetune.images.samples import CAPTION, encoded, good, packed, png, spread
from tests.finetune.images.test_codes import check


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    return tmp_path / "canonical.zip"


@pytest.fixture(scope="module")
def heavy() -> bytes:
    """A PNG of 48 megapixels in some hundred kilobytes."""
    return png(8000, 6000, 8, 2, (b"\0" + b"\x40\x80\xc0" * 8000) * 6000)


def left_behind(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def test_a_good_set_leaves_its_canonical_form_and_its_sheet(tmp_path: Path, canonical: Path) -> None:
    source = packed(tmp_path / "upload.zip", good())
    report = await examine(source, canonical, sheets=tmp_path / "sheets", parameters=Parameters("ttr"))
    assert report.ok
    assert left_behind(tmp_path) == ["canonical.zip", "sheets", "upload.zip"]
    assert left_behind(tmp_path / "sheets") == ["page-1.png"]
    assert [note.code for note in report.notes] == ["tokens_estimated", "trigger_prepended"]
    with zipfile.ZipFile(canonical) as archive:
        assert len(archive.namelist()) == 20


async def test_a_bad_set_leaves_only_its_sheet(tmp_path: Path, canonical: Path) -> None:
    source = spread(tmp_path / "upload", good() | {"x.jpg": b"oops"})
    report = await examine(source, canonical, sheets=tmp_path / "sheets")
    assert not report.ok
    assert report.sheets == 1
    assert left_behind(tmp_path) == ["sheets", "upload"]


async def test_a_refused_set_leaves_nothing(tmp_path: Path, canonical: Path) -> None:
    source = packed(tmp_path / "upload.zip", {"a.txt": b"a"})
    with pytest.raises(DatasetError, match="images_none"):
        await examine(source, canonical, sheets=tmp_path / "sheets")
    assert left_behind(tmp_path) == ["upload.zip"]


async def test_too_slow_is_an_error_and_leaves_nothing(tmp_path: Path, canonical: Path) -> None:
    source = packed(tmp_path / "upload.zip", good())
    with pytest.raises(DatasetError) as refusal:
        await examine(source, canonical, seconds=0.05)
    assert (refusal.value.code, refusal.value.fields) == ("images_too_slow", {"seconds": 1})
    assert left_behind(tmp_path) == ["upload.zip"]
    assert not workers()


async def test_too_much_processor_time_is_an_error(tmp_path: Path, canonical: Path, heavy: bytes) -> None:
    source = packed(tmp_path / "upload.zip", {f"{n}.png": heavy for n in range(20)})
    with pytest.raises(DatasetError, match="images_too_slow"):
        await examine(source, canonical, seconds=1)
    assert left_behind(tmp_path) == ["upload.zip"]


async def test_a_picture_that_takes_too_much_memory_is_a_finding(tmp_path: Path, canonical: Path, heavy: bytes) -> None:
    source = packed(tmp_path / "upload.zip", good() | {"x.png": heavy, "x.txt": CAPTION.encode()})
    report = await examine(source, canonical, memory_bytes=200 << 20)
    assert [image.number for image in report.images if image.fit is None] == [11]
    check(report, "image_heavy")


async def test_a_killed_worker_is_an_error_and_leaves_nothing(tmp_path: Path, canonical: Path) -> None:
    source = pipe(tmp_path / "upload.zip")
    task = asyncio.create_task(examine(source, canonical))
    async with being_read(source):
        for worker in workers():
            worker.kill()
        with pytest.raises(DatasetError) as refusal:
            await task
    assert (refusal.value.code, refusal.value.fields) == ("images_too_heavy", {"limit": 1024})
    assert left_behind(tmp_path) == ["upload.zip"]


@pytest.mark.parametrize("kind", ["png", "png16", "webp", "jpeg", "progressive"])
async def test_the_largest_picture_fits_into_the_memory(tmp_path: Path, canonical: Path, kind: str) -> None:
    width, height = (8000, 4000) if kind == "webp" else (8000, 8000)
    rows = (b"\0" + b"\x40\x80\xc0\xff" * width) * height
    flat = Image.new("RGB", (width, height), "teal")
    data = {
        "png": lambda: png(width, height, 8, 6, rows),
        "png16": lambda: png(width, height, 16, 0, (b"\0" + b"\x40\x80" * width) * height),
        "webp": lambda: encoded(flat, "WEBP", quality=1, method=0),
        "jpeg": lambda: encoded(flat, "JPEG"),
        "progressive": lambda: encoded(flat, "JPEG", progressive=True, subsampling=0),
    }[kind]()
    name = {"png16": "x.png", "progressive": "x.jpg", "jpeg": "x.jpg"}.get(kind, f"x.{kind}")
    report = await examine(packed(tmp_path / "upload.zip", {name: data}), canonical)
    assert report.ok, report.findings
    assert report.images[0].width == width


async def test_a_cancelled_judging_leaves_no_process_and_no_file(tmp_path: Path, canonical: Path) -> None:
    source = pipe(tmp_path / "upload.zip")
    task = asyncio.create_task(examine(source, canonical))
    async with being_read(source):
        assert len(left_behind(tmp_path)) == 2
        assert len(workers()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert left_behind(tmp_path) == ["upload.zip"]
    assert not workers()


async def test_a_pipe_in_a_folder_does_not_keep_anybody_waiting(tmp_path: Path, canonical: Path) -> None:
    source = spread(tmp_path / "upload", good(2))
    os.mkfifo(source / "pipe.jpg")
    report = await examine(source, canonical, seconds=20)
    assert report.images_total == 2


async def test_no_secret_reaches_the_worker(tmp_path: Path, canonical: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "secret")
    source = pipe(tmp_path / "upload.zip")
    task = asyncio.create_task(examine(source, canonical))
    async with being_read(source):
        environment = workers()[0].environ()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "PYTHONPATH" in environment
    assert "TELEGRAM_BOT_TOKEN" not in environment


@pytest.mark.parametrize("module", ["finetune.images", "bot.cards.images"])
def test_the_picture_library_is_loaded_in_the_worker_only(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "PIL" not in done.stdout.split()


def pipe(path: Path) -> Path:
    """A source of which nothing ever comes."""
    os.mkfifo(path)
    return path


@asynccontextmanager
async def being_read(source: Path) -> AsyncIterator[None]:
    """From the moment when a worker reads a pipe: it opens at one end when it is opened at the other."""
    handle = await asyncio.to_thread(os.open, source, os.O_WRONLY)
    try:
        yield
    finally:
        os.close(handle)


def workers() -> list[psutil.Process]:
    """The judging processes that this test has."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "finetune.images.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
