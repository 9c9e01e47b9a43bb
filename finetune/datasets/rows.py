"""Reading a canonical file: rows for a preview, and the seeded split into training and held-out rows."""

import os
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson


def rows(canonical: Path, start: int, count: int) -> list[dict[str, Any]]:
    """``count`` rows from the 0-based ``start``; fewer at the end."""
    with canonical.open("rb") as file:
        return [orjson.loads(line) for line in islice(file, start, start + count)]


def split(canonical: Path, training: Path, validation: Path, *, share: float, seed: int) -> tuple[int, int]:
    """Divide the rows into two files, both in the order of the original; returns how many went into each.

    ``share`` (0 to below 1) of the rows are held out, at least one when there are two different ones; equal rows
    always stay together. The same arguments give the same files. With ``share`` 0 or one row there is no
    validation file. Raises ``ValueError`` for another share. Blocks: call it in a thread.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be from 0 to below 1, not {share}")
    groups: dict[int, list[int]] = {}
    total = 0
    with canonical.open("rb") as file:
        for number, line in enumerate(file):
            groups.setdefault(hash(line), []).append(number)
            total += 1
    held_out = _held_out(list(groups.values()), round(total * share) if share else 0, share, seed)
    if held_out:
        with canonical.open("rb") as file:
            _write(validation, (line for number, line in enumerate(file) if number in held_out))
    else:
        validation.unlink(missing_ok=True)
    with canonical.open("rb") as file:
        _write(training, (line for number, line in enumerate(file) if number not in held_out))
    return total - len(held_out), len(held_out)


def _held_out(groups: list[list[int]], wanted: int, share: float, seed: int) -> set[int]:
    """Whole groups of equal rows, by chance, until ``wanted`` rows are reached; one group stays for training."""
    if not share or len(groups) < 2:
        return set()
    # Not for secrets: the same seed has to give the same rows everywhere.
    random.Random(seed).shuffle(groups)  # noqa: S311
    chosen: set[int] = set()
    for group in groups[:-1]:
        if len(chosen) + len(group) <= max(1, wanted):
            chosen.update(group)
        if len(chosen) >= max(1, wanted):
            break
    smallest = min(groups, key=len)
    return chosen or set(smallest)


def _write(path: Path, lines: Iterator[bytes]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            _copy(lines, file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(lines: Iterator[bytes], file: BinaryIO) -> None:
    file.writelines(lines)
    file.flush()
    os.fsync(file.fileno())
