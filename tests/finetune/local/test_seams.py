"""The protocol, the errors, the folder: what needs no training."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.locales import LANGUAGES, translator
from finetune.errors import ProviderError
from finetune.providers.local import LocalProvider, bases
from finetune.providers.local.folder import JobFolder
from finetune.providers.provider import Provider

FAILURES = (
    "out_of_memory",
    "base_missing",
    "base_unsupported",
    "local_not_installed",
    "disk_full",
    "dataset_missing",
    "dataset_changed",
    "nothing_to_learn",
    "template_unstable",
    "diverged",
    "trainer_crashed",
)


def test_it_is_a_provider(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    assert isinstance(provider, Provider)
    assert provider.bases[0].id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert provider.bases[0].recommended == {"learning_rate": 2e-3, "batch_size": 4}


def test_importing_is_cheap() -> None:
    code = "import sys, finetune.providers.local; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "finetune.providers.local.provider" in loaded
    assert not {"torch", "transformers", "peft", "xllamacpp", "gguf", "numpy"} & set(loaded)


def test_a_missing_extra_is_named_with_its_command() -> None:
    with pytest.raises(ProviderError) as caught:
        bases.require(("json", "surely_not_installed"))
    assert caught.value.code == "local_not_installed"
    assert caught.value.fields == {"missing": "surely_not_installed", "command": "pip install '.[local]'"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_failure_has_its_sentence(language: str) -> None:
    say = translator(language)
    fields = dict.fromkeys(("base", "command", "reason", "missing", "file", "max_tokens", "learning_rate"), "x")
    for code in FAILURES:
        assert say(f"failure.{code}", **fields)
    for base in bases.listed():
        for note in base.notes:
            assert say(f"base.{note}")


def test_claims_and_results_are_first_come(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.write_manifest({"key": "a"})
    folder.write_manifest({"key": "b"})
    assert folder.manifest() == {"key": "a"}
    assert folder.claim(1)
    assert not folder.claim(1)
    assert not folder.fenced(1)
    assert folder.claim(2)
    assert folder.fenced(1)
    assert not folder.fenced(2)
    assert folder.write_result({"outcome": "failed"})
    assert not folder.write_result({"outcome": "succeeded"})
    assert folder.result() == {"outcome": "failed"}


def test_a_lock_is_life(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.write_manifest({})
    assert not folder.alive()
    with folder.locked(1) as mine:
        assert mine is not None
        assert folder.alive()
        with folder.locked(1) as second:
            assert second is None
    assert not folder.alive()


@pytest.mark.parametrize("key", ["../etc", "a/b", "", "A", "x" * 49])
async def test_keys_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    provider = LocalProvider(tmp_path)
    with pytest.raises(ProviderError):
        await provider.status(key)
    with pytest.raises(ProviderError):
        await provider.log(key)


async def test_an_unknown_job_is_missing(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    with pytest.raises(ProviderError) as caught:
        await provider.cancel("nobody")
    assert caught.value.code == "job_missing"
