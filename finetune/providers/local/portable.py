"""An adapter leaves one machine and comes to another: its files, without anything of the data it was trained on."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from finetune.errors import ProviderError
from finetune.providers.local import bases
from finetune.providers.local.folder import JobFolder

# What transformers reads, and what the server reads.
FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter.gguf")


def files(folder: JobFolder, model: str) -> Mapping[str, Path]:
    """The files of a finished job's adapter by name. Raises :class:`ProviderError` ``model_missing``."""
    result = folder.result() if folder.exists() else None
    if result is None or result.get("outcome") != "succeeded":
        raise ProviderError("model_missing", model=model)
    adapter = (folder.path / result["gguf"]).parent
    found = {name: adapter / name for name in FILES}
    if not all(path.is_file() for path in found.values()):
        raise ProviderError("model_missing", model=model)
    return found


def adopt(data_dir: Path, key: str, base: str, given: Mapping[str, Path]) -> str:
    """Make an adapter that came from elsewhere one of ours; its model id. The same key again changes nothing.

    Raises :class:`ProviderError` ``base_missing`` or ``local_not_installed``. Blocks.
    """
    source = bases.locate(base)
    folder = JobFolder(data_dir / "jobs" / key)
    if folder.result() is None:
        target = folder.path / "adapter-1"
        target.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(given[name], target / name)
        folder.write_manifest({"key": key, "base": base, "slug": source.slug, "imported": True})
        folder.write_result(
            {
                "outcome": "succeeded",
                "adapter": target.name,
                "gguf": f"{target.name}/adapter.gguf",
                "time": time.time(),
            }
        )
    return f"local:{source.slug}:{key}"
