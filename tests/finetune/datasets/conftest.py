"""Judging bytes in this process, for tests of what is found (the process around it has tests of its own)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.datasets.judging import judge
from finetune.datasets.report import Report

Judge = Callable[..., Report]


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    return tmp_path / "canonical.jsonl"


@pytest.fixture
def judged(tmp_path: Path, canonical: Path) -> Judge:
    """Judge bytes as if uploaded under a name."""

    def run(data: bytes, name: str = "data.jsonl", reading: str | None = None) -> Report:
        source = tmp_path / "upload"
        source.write_bytes(data)
        report = judge(source, canonical, name=name, reading=reading)
        # What goes between processes has to survive the way.
        assert Report.from_json(json.loads(json.dumps(report.as_json()))) == report
        return report

    return run
