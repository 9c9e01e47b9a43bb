"""The job folder: everything that a trainer and its watchers say to each other, as files.

``manifest.json`` is written once before the start; ``claim-<attempt>`` is created by the attempt's trainer and by no
other; ``heartbeat.json`` is replaced all the time; ``result.json`` is created once and is the only source of "ended";
``cancel`` is a wish. A lock file, held by the living trainer, tells whether it is alive.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CLAIM = re.compile(r"claim-(\d+)")
_CHECKPOINT = re.compile(r"ckpt-\d+-(\d+)")
_LOCK = re.compile(r"attempt-(\d+)\.lock")


class JobFolder:
    """One job's folder. No method waits for anything but the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log_file(self) -> Path:
        """What the trainer tells people."""
        return self.path / "log.txt"

    def exists(self) -> bool:
        """Whether this job was ever submitted."""
        return (self.path / "manifest.json").is_file()

    def manifest(self) -> dict[str, Any]:
        """What to train. Raises ``FileNotFoundError``."""
        return _read(self.path / "manifest.json")

    def heartbeat(self) -> dict[str, Any] | None:
        """The last sign of life."""
        return _read_if_there(self.path / "heartbeat.json")

    def result(self) -> dict[str, Any] | None:
        """How it ended, if it has."""
        return _read_if_there(self.path / "result.json")

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest unless there is one: it never changes."""
        self.path.mkdir(parents=True, exist_ok=True)
        _create(self.path / "manifest.json", manifest)

    def write_heartbeat(self, beat: Mapping[str, Any]) -> None:
        """Replace the heartbeat in one move."""
        _replace(self.path / "heartbeat.json", beat)

    def write_result(self, result: Mapping[str, Any]) -> bool:
        """Write how it ended; false if that was written before (the first word stands)."""
        return _create(self.path / "result.json", result)

    def cancel(self) -> None:
        """Wish for the end."""
        (self.path / "cancel").touch()

    def cancelled(self) -> bool:
        """Whether the end was wished for."""
        return (self.path / "cancel").exists()

    def claim(self, attempt: int) -> bool:
        """Take this attempt for this process; false if another process took it."""
        try:
            handle = os.open(self.path / f"claim-{attempt}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(str(os.getpid()))
        return True

    def claimed(self, attempt: int) -> bool:
        """Whether a trainer took this attempt."""
        return (self.path / f"claim-{attempt}").exists()

    def fenced(self, attempt: int) -> bool:
        """Whether a later attempt has begun, so that this one must stop."""
        return any(number > attempt for number in self._numbers(_CLAIM))

    def next_attempt(self, least: int) -> int:
        """The number of an attempt that no trainer took, and none after it."""
        return max([least - 1, *self._numbers(_CLAIM)]) + 1

    def checkpoint(self) -> int | None:
        """The step of the furthest checkpoint."""
        found = (_CHECKPOINT.fullmatch(entry.name) for entry in self.path.iterdir())
        return max((int(match[1]) for match in found if match), default=None)

    def reopen(self) -> None:
        """Set aside how it ended, so that a later attempt may begin."""
        # The wish first: without a result and with the wish, the next attempt would end at once.
        (self.path / "cancel").unlink(missing_ok=True)
        result = self.path / "result.json"
        with contextlib.suppress(FileNotFoundError):
            result.rename(self.path / f"result-before-{self.next_attempt(1)}.json")

    def move(self, manifest: Mapping[str, Any]) -> None:
        """Follow files that lie elsewhere now; what they must hold stays as it was first written."""
        before = self.manifest()
        after = {**before, "data_dir": manifest["data_dir"]}
        for name in ("training", "validation"):
            if before[name] is not None and manifest[name] is not None:
                after[name] = {**before[name], "path": manifest[name]["path"]}
        if after != before:
            _replace(self.path / "manifest.json", after)

    @contextmanager
    def locked(self, attempt: int) -> Iterator[int | None]:
        """Hold an attempt's lock: its file descriptor, or ``None`` while another process holds it.

        A child that inherits the descriptor keeps the lock beyond this block, for as long as it lives.
        """
        handle = os.open(self.path / f"attempt-{attempt}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            yield handle if _taken(handle, fcntl.LOCK_EX) else None
        finally:
            os.close(handle)

    def alive(self) -> bool:
        """Whether any attempt's trainer lives."""
        return any(self._held(number) for number in self._numbers(_LOCK))

    def _held(self, attempt: int) -> bool:
        handle = os.open(self.path / f"attempt-{attempt}.lock", os.O_RDWR)
        try:
            # Shared, so that two watchers do not take each other for the trainer.
            return not _taken(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)

    def _numbers(self, pattern: re.Pattern[str]) -> list[int]:
        found = (pattern.fullmatch(entry.name) for entry in self.path.iterdir())
        return [int(match[1]) for match in found if match]


def _taken(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


def _read_if_there(file: Path) -> dict[str, Any] | None:
    try:
        return _read(file)
    except FileNotFoundError:
        return None


def _temporary(file: Path, content: Mapping[str, Any]) -> Path:
    temporary = file.with_name(f"{file.name}.{os.urandom(6).hex()}.tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(content, handle, ensure_ascii=False)
        handle.flush()
        os.fsync(handle.fileno())
    return temporary


def _replace(file: Path, content: Mapping[str, Any]) -> None:
    _temporary(file, content).replace(file)


def _create(file: Path, content: Mapping[str, Any]) -> bool:
    temporary = _temporary(file, content)
    try:
        os.link(temporary, file)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True
