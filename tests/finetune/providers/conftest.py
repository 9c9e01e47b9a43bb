"""A job to train, and how tests look at what was refused."""

import json
from pathlib import Path

import pytest

from finetune.parameters import resolve
from finetune.providers.provider import FineTune

KEY = "job-0123456789abcdef0123"


def write_rows(file: Path, count: int) -> Path:
    """So many little conversations."""
    rows = [
        {
            "messages": [
                {"role": "system", "content": "You tell fortunes."},
                {"role": "user", "content": f"Should I take road number {n}?"},
                {"role": "assistant", "content": f"The leaves settle on {n}: take it slowly."},
            ]
        }
        for n in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def job_of(folder: Path, base: str, *, rows: int = 20, key: str = KEY, name: str = "算命 teller") -> FineTune:
    """A job in ``folder``."""
    values = resolve("standard", {}, {}).values
    training = write_rows(folder / "train.jsonl", rows)
    held_out = write_rows(folder / "held-out.jsonl", 2)
    return FineTune(key, name, base, training, held_out, values, 42)


class Ticking:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()
