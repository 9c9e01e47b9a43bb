"""A tuned model as one file: adapter, model card, evaluation, and what has to travel with it. A zip, whose manifest
names every member with its SHA-256. Nothing of the data is in it but its hash.
"""

import hashlib
import json
import math
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from finetune.errors import DatasetError
from finetune.evaluation.verdict import Verdict

FORMAT = 1
MANIFEST = "manifest.json"
# More than any adapter of ours: what is larger is not unpacked.
MOST_BYTES = 2 << 30
_MOST_MANIFEST = 8 << 20
_ADAPTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# What travels to the endpoint with every question: nothing that a stranger could make of it.
_SAMPLING = frozenset({"temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty"})
_SAMPLED = TypeAdapter(float | int | str | list[str])
_PARAMETER, _MOST_PARAMETERS = re.compile(r"[a-z][a-z0-9_]{0,39}"), 50
_PIECE = 1 << 20
_LONGEST, _LONGEST_PROMPT = 200, 100_000  # characters


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model is beside its weights. ``evaluation`` is a verdict as plain data, if there is one."""

    name: str
    version: int
    base: str
    licence: str
    data_digest: str
    hyperparameters: Mapping[str, float]
    seed: int
    system_prompt: str
    sampling: Mapping[str, Any]
    validation: tuple[float, float] | None
    evaluation: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Facts":
        """The facts again, of a stranger's file. Raises ``ValueError`` for anything else."""
        if set(data) != set(cls.__slots__):
            raise ValueError("other facts")
        found = TypeAdapter(Facts).validate_python(data)
        short = (found.name, found.base, found.licence, found.data_digest)
        if not found.name.strip() or any(len(text) > _LONGEST or not text.isprintable() for text in short):
            raise ValueError("a name that is none")
        if len(found.system_prompt) > _LONGEST_PROMPT or not 0 <= found.seed < 1 << 31:
            raise ValueError("out of range")
        names = found.hyperparameters.keys()
        if len(names) > _MOST_PARAMETERS or not all(_PARAMETER.fullmatch(name) for name in names):
            raise ValueError("hyperparameters with names that are none")
        evaluation = found.evaluation
        if evaluation is not None:
            evaluation = json.loads(json.dumps(Verdict.checked(evaluation).as_json()))
        sampling = {name: value for name, value in found.sampling.items() if name in _SAMPLING}
        for value in sampling.values():
            _SAMPLED.validate_python(value, strict=True)
        return replace(found, sampling=sampling, evaluation=evaluation)


def pack(target: Path, facts: Facts, adapter: Mapping[str, Path], extra: Mapping[str, bytes]) -> None:
    """Write the file. ``adapter``: its files by name; ``extra``: further members (the picture). Blocks."""
    plain = {**extra, "README.md": card(facts).encode()}
    if facts.evaluation is not None:
        plain["evaluation.json"] = json.dumps(facts.evaluation, ensure_ascii=False, indent=1).encode()
    digests = {f"adapter/{name}": _digest(path) for name, path in adapter.items()}
    digests |= {name: hashlib.sha256(data).hexdigest() for name, data in plain.items()}
    manifest = {"format": FORMAT, "facts": facts.as_json(), "members": digests}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(adapter.items()):
            archive.write(path, f"adapter/{name}")
        for name, data in sorted(plain.items()):
            archive.writestr(name, data)
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))


def unpack(source: Path, folder: Path) -> tuple[Facts, Mapping[str, Path]]:
    """The facts, and the adapter's files by name, written to ``folder``. Blocks.

    Raises :class:`DatasetError` ``bundle_unreadable``, ``bundle_damaged`` or ``bundle_too_large``; names that are not
    in the manifest are not looked at, and none is taken for a path.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise DatasetError("bundle_too_large", limit=MOST_BYTES >> 20)
            if archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
                raise DatasetError("bundle_unreadable")
            manifest = json.loads(archive.read(MANIFEST), parse_constant=_number, parse_float=_number)
            if manifest["format"] != FORMAT:
                raise DatasetError("bundle_unreadable")
            facts = Facts.from_json(manifest["facts"])
            found = {}
            for name, digest in manifest["members"].items():
                inner = name.removeprefix("adapter/")
                if inner == name:
                    continue
                if not _ADAPTER.fullmatch(inner):
                    raise DatasetError("bundle_unreadable")
                target = folder / inner
                with archive.open(name) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file, _PIECE)
                if _digest(target) != digest:
                    raise DatasetError("bundle_damaged", name=name)
                found[inner] = target
    except _UNREADABLE as error:
        raise DatasetError("bundle_unreadable") from error
    return facts, found


# Encrypted or packed in a way of its own (RuntimeError), nested too deeply (RecursionError), or simply broken.
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, AttributeError, EOFError, RuntimeError,
)  # fmt: skip


def _number(word: str) -> float:
    """Neither NaN nor infinity, by whatever spelling."""
    if not math.isfinite(found := float(word)):
        raise ValueError(word)
    return found


def card(facts: Facts) -> str:
    """The model card, in the form that Hugging Face reads: English, with the metadata first."""
    lines = [
        "---",
        f"base_model: {json.dumps(facts.base)}",
        f"license: {json.dumps(facts.licence.lower())}",
        "library_name: peft",
        "tags: [lora, tuneteller]",
        "---",
        "",
        f"# {facts.name} (v{facts.version})",
        "",
        f"A LoRA adapter of `{facts.base}` (licence of the base: {facts.licence}), tuned with Tuneteller.",
        "",
        "| | |",
        "|---|---|",
        f"| Training data (SHA-256) | `{facts.data_digest}` |",
        f"| Seed | {facts.seed} |",
        *(f"| {name} | {value:g} |" for name, value in facts.hyperparameters.items()),
    ]
    if facts.validation is not None:
        lines.append(f"| Held-out loss, base → tuned | {facts.validation[0]:.3f} → {facts.validation[1]:.3f} |")
    lines += ["", "## How to ask it", "", "It was trained with this system prompt and answers best with it:", ""]
    lines += ["```", facts.system_prompt or "(none)", "```", "", f"Sampling: `{json.dumps(dict(facts.sampling))}`", ""]
    lines += ["## Evaluation", ""]
    if facts.evaluation is None:
        lines.append("It was not evaluated.")
    else:
        lines += [f"{facts.evaluation['questions']} held-out questions; `evaluation.json` has all figures.", ""]
        lines += [f"- {gate['name']}: {gate['state']}" for gate in facts.evaluation["gates"]]
    return "\n".join(lines) + "\n"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
