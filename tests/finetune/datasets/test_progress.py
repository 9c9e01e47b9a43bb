"""Workers say how far they are, and do not wait for whoever listens."""

import asyncio
from pathlib import Path

import pytest

from finetune.datasets import Wish, examine, measured, mended
from finetune.progress import listening, teller
from tests.finetune.datasets.samples import good, text

Told = list[tuple[int, int]]


def rising(told: Told, size: int) -> bool:
    """Whether it went forward, and to the end."""
    return bool(told) and told == sorted(told) and told[-1] == (size, size)


@pytest.mark.parametrize("megabytes", [1, 9])
async def test_judging_says_how_far_it_is(tmp_path: Path, megabytes: int) -> None:
    source = tmp_path / "data.jsonl"
    rows = text(*good(300))
    source.write_bytes(rows * (megabytes * 1_000_000 // len(rows) + 1))
    told: Told = []
    report = await examine(source, tmp_path / "canonical.jsonl", moved=lambda *place: told.append(place))
    assert report.ok
    assert rising(told, source.stat().st_size)


async def test_measuring_and_mending_say_how_far_they_are(tmp_path: Path) -> None:
    source = tmp_path / "data.jsonl"
    source.write_bytes(text(*good(640)))
    told: Told = []
    await measured(source, moved=lambda *place: told.append(place))
    assert rising(told, source.stat().st_size)
    told.clear()
    wish = Wish(("duplicates",))
    await mended(source, tmp_path / "out.jsonl", wish, name=source.name, moved=lambda *place: told.append(place))
    assert rising(told, source.stat().st_size)


async def test_nobody_is_waited_for() -> None:
    heard: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
    with listening(lambda *place: heard.set_result(place)) as descriptor:
        assert descriptor is not None
        tell = teller(descriptor)
        for number in range(100_000):  # many times what a pipe takes
            tell(number, 0)
        done, _ = await heard
    assert 1000 < done < 100_000 - 1


def test_where_nobody_listens_nothing_is_written() -> None:
    with listening(None) as descriptor:
        assert descriptor is None
        teller(descriptor)(1, 2)
