"""Judging an image set in a process of its own, so that the worst picture costs its sender an error and no more."""

import asyncio
import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from finetune.errors import DatasetError
from finetune.images.parameters import Parameters, with_parameters
from finetune.images.report import Report
from finetune.workers import TooHeavy, TooSlow, ask, publish

# A .zip of 300 MB of pictures, what it says about them, and some files that are no pictures.
MAX_ARCHIVE_BYTES = 400_000_000


async def examine(
    source: Path,
    canonical: Path,
    *,
    names: Mapping[str, str] | None = None,
    sheets: Path | None = None,
    parameters: Parameters | None = None,
    seconds: float = 120,
    memory_bytes: int = 1 << 30,
) -> Report:
    """Judge ``source``, a ``.zip`` or a folder; if it is good, leave its canonical form in ``canonical``, else nothing.

    The canonical form is a ``.zip`` of ``001.jpg``, ``001.txt``, …, synced; the same set gives the same bytes.
    ``names``: what people call a folder's files, by the name that they have in it. ``sheets``: a new or empty folder
    that gets the contact sheet as ``page-1.png``, … (``report.sheets`` of them), whether the set is good or not.
    ``parameters``: the trigger word is looked for in the captions. ``seconds`` bounds both the wall clock and the
    processor time, ``memory_bytes`` the address space. Raises :class:`DatasetError` for what is no image set at all.
    """
    size = source.stat().st_size
    if size > MAX_ARCHIVE_BYTES and not source.is_dir():
        raise DatasetError("images_too_large", size=math.ceil(size / 1e6), limit=MAX_ARCHIVE_BYTES // 1_000_000)
    room = Path(tempfile.mkdtemp(prefix=f"{canonical.name}.", suffix=".part", dir=canonical.parent))
    try:
        report = await _judged(source, room, names, sheets is not None, seconds, memory_bytes)
        if sheets is not None:
            await asyncio.to_thread(_publish_sheets, room, sheets)
        if report.ok:
            await asyncio.to_thread(publish, room / "canonical", canonical)
    except TooSlow as error:
        raise DatasetError("images_too_slow", seconds=math.ceil(seconds)) from error
    except TooHeavy as error:
        raise DatasetError("images_too_heavy", limit=memory_bytes >> 20) from error
    finally:
        # Not awaited: whoever cancels must not find anything left either. It is a handful of files.
        shutil.rmtree(room, ignore_errors=True)
    return report if parameters is None else with_parameters(report, parameters)


async def _judged(
    source: Path, room: Path, names: Mapping[str, str] | None, with_sheets: bool, seconds: float, memory_bytes: int
) -> Report:
    request = {
        "source": str(source.absolute()),
        "canonical": str((room / "canonical").absolute()),
        "sheets": str(room.absolute()) if with_sheets else None,
        "names": dict(names or {}),
    }
    found = await ask("finetune.images.worker", request, seconds=seconds, memory_bytes=memory_bytes)
    return Report.from_json(found["report"])


def _publish_sheets(room: Path, sheets: Path) -> None:
    sheets.mkdir(parents=True, exist_ok=True)
    for page in sorted(room.glob("page-*.png")):
        # Across file systems too: a picture for a chat may live elsewhere than the set.
        shutil.move(page, sheets / page.name)
