"""Judging files in this process, for tests of what is found (the process around it has tests of its own)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.images import Report
from finetune.images.judging import judge
from tests.finetune.images.samples import packed

Judge = Callable[..., Report]


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    return tmp_path / "canonical.zip"


@pytest.fixture
def judged(tmp_path: Path, canonical: Path) -> Judge:
    """Judge files as if sent in a ``.zip``."""

    def run(files: dict[str, bytes], sheets: Path | None = None) -> Report:
        report = judge(packed(tmp_path / "upload.zip", files), canonical, sheets=sheets)
        # What goes between processes has to survive the way.
        assert Report.from_json(json.loads(json.dumps(report.as_json()))) == report
        return report

    return run
