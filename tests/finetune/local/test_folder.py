"""The job folder: setting an end aside, and following a data folder that was moved."""

from pathlib import Path

import pytest

from finetune.errors import ProviderError
from finetune.providers.local import LocalProvider
from finetune.providers.local.folder import JobFolder

MANIFEST = {
    "slug": "base",
    "data_dir": "/old",
    "training": {"path": "/old/splits/a.jsonl", "sha256": "a"},
    "validation": None,
    "seed": 7,
}


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    found = JobFolder(tmp_path / "jobs" / "job-1")
    found.write_manifest(MANIFEST)
    return found


def test_the_furthest_checkpoint_is_told(folder: JobFolder) -> None:
    assert folder.checkpoint() is None
    for name in ("ckpt-1-9", "ckpt-2-12", "ckpt-2-30.partial"):
        (folder.path / name).mkdir()
    assert folder.checkpoint() == 12


async def test_an_end_is_set_aside_for_an_attempt_that_nobody_took(folder: JobFolder, tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    for attempt in (1, 2):
        assert folder.claim(attempt)
    folder.cancel()
    folder.write_result({"outcome": "cancelled"})
    # A database of before knows of the first attempt only.
    assert await provider.reopen("job-1", 2) == 3
    assert await provider.reopen("job-1", 2) == 3
    assert folder.result() is None
    assert not folder.cancelled()
    assert (folder.path / "result-before-3.json").is_file()
    assert (await provider.status("job-1")).lost


async def test_a_success_and_a_living_trainer_stay(folder: JobFolder, tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    with folder.locked(1), pytest.raises(ProviderError, match="job_runs"):
        await provider.reopen("job-1", 2)
    folder.write_result({"outcome": "succeeded"})
    with pytest.raises(ProviderError, match="job_succeeded"):
        await provider.reopen("job-1", 2)
    assert folder.result() == {"outcome": "succeeded"}


def test_a_moved_data_folder_is_followed_and_the_data_stay_the_same(folder: JobFolder) -> None:
    there = {"path": "/new/splits/a.jsonl", "sha256": "other"}
    folder.move({**MANIFEST, "data_dir": "/new", "training": there, "seed": 9})
    assert folder.manifest() == {
        **MANIFEST,
        "data_dir": "/new",
        "training": {"path": "/new/splits/a.jsonl", "sha256": "a"},
    }
