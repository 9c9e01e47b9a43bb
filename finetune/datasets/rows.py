"""Reading a canonical file: rows for a preview, and the seeded split into training and held-out rows."""

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
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

    ``share`` (0 to below 1) of the rows are held out, at least one when there are two that are not near. Equal rows
    always stay together, and so do near-duplicates (:mod:`finetune.datasets.near`) with all that are near to them:
    a held-out row is none that was trained on. Past the limits of that module (200,000 different rows, 32 million
    characters) only equal rows do. The same arguments give the same files. With ``share`` 0 or nothing but
    near-duplicates there is no validation file. Raises ``ValueError`` for another share. Blocks for seconds: call it
    in a thread.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be from 0 to below 1, not {share}")
    held_out = _held_out(canonical, share, seed) if share else set()
    if held_out:
        with canonical.open("rb") as file:
            _write(validation, (line for number, line in enumerate(file) if number in held_out))
    else:
        validation.unlink(missing_ok=True)
    kept = 0

    def for_training(file: BinaryIO) -> Iterator[bytes]:
        nonlocal kept
        for number, line in enumerate(file):
            if number not in held_out:
                kept += 1
                yield line

    with canonical.open("rb") as file:
        _write(training, for_training(file))
    return kept, len(held_out)


def _held_out(canonical: Path, share: float, seed: int) -> set[int]:
    """Whole clusters, by chance, until the share is reached; one cluster stays for training."""
    # Who only reads rows does not pay for numpy.
    from finetune.datasets.near import near_groups

    with canonical.open("rb") as file:
        labels = near_groups((orjson.loads(line)["messages"] for line in file), sample=False).labels.tolist()
    groups = Counter(labels)
    wanted = max(1, round(len(labels) * share))
    chosen = _chosen(groups, wanted, seed)
    return {number for number, label in enumerate(labels) if label in chosen}


def _chosen(groups: Mapping[int, int], wanted: int, seed: int) -> set[int]:
    """The groups (rows by label) to hold out: about ``wanted`` rows, never all groups."""
    if len(groups) < 2:
        return set()
    order = list(groups)
    # Not for secrets: the same seed has to give the same rows everywhere.
    random.Random(seed).shuffle(order)  # noqa: S311
    chosen, reached = set(), 0
    for label in order[:-1]:
        if reached + groups[label] <= wanted:
            chosen.add(label)
            reached += groups[label]
        if reached >= wanted:
            break
    return chosen or {min(order, key=groups.__getitem__)}


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
