"""Checkpoints of a training: everything from which the same course goes on."""

import re
import shutil
from pathlib import Path
from typing import Any

import torch

_NAME = re.compile(r"ckpt-(\d+)-(\d+)")
KEPT = 2


def save(folder: Path, attempt: int, step: int, content: dict[str, Any]) -> None:
    """Write ``ckpt-<attempt>-<step>`` in one move and drop all but the last two."""
    target = folder / f"ckpt-{attempt}-{step}"
    if target.exists():
        return
    temporary = folder / f"{target.name}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    torch.save(content, temporary / "state.pt")
    temporary.rename(target)
    for old in _found(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def newest(folder: Path) -> dict[str, Any] | None:
    """The content of the furthest checkpoint, if there is one."""
    found = _found(folder)
    if not found:
        return None
    content: dict[str, Any] = torch.load(found[-1] / "state.pt", weights_only=True, map_location="cpu")
    return content


def _found(folder: Path) -> list[Path]:
    """Checkpoints, the furthest step last."""
    named = [(int(match[2]), int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, _, path in sorted(named)]
