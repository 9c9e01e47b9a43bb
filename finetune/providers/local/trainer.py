"""The trainer, a process of its own: ``python -m finetune.providers.local.trainer FOLDER --attempt N [--detach]``.

It reads the manifest, trains, and writes one result; it knows no database and no chat. It outlives whoever started
it: with ``--detach`` it forks once its claim stands, so that the starter waits only for that.
"""

import argparse
import contextlib
import errno
import hashlib
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune.errors import ProviderError
from finetune.providers.local.folder import JobFolder
from finetune.providers.local.pulse import Pulse

CLAIMED_ELSEWHERE = 3
NICE = 10
SAVED = 75  # EX_TEMPFAIL: nothing went wrong, a later attempt goes on


class JobFailed(Exception):
    """The job cannot succeed; ``code`` and ``fields`` tell people why."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class Log:
    """The log that people may read: a line a fact, with the time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, text: str) -> None:
        """Add a line."""
        with self._file.open("a", encoding="utf-8") as handle:
            handle.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Exit code 0: a result stands; 3: another process has this attempt; 75: stopped, may go on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--detach", action="store_true")
    options = parser.parse_args(arguments)
    folder = JobFolder(options.folder.resolve())
    if not folder.claim(options.attempt):
        return CLAIMED_ELSEWHERE
    if options.detach and os.fork():
        # The starter waits for this process; the training goes on in the other, and so does its lock.
        os._exit(0)
    if options.detach:
        os.setsid()
    # Whoever talks to a model meanwhile goes first.
    os.nice(NICE)
    return run(folder, options.attempt)


def run(folder: JobFolder, attempt: int) -> int:
    """Train one attempt in this process."""
    pulse, log = Pulse(folder, attempt), Log(folder.log_file)
    signal.signal(signal.SIGTERM, lambda *_: pulse.stop())
    log(f"attempt {attempt} begins, process {os.getpid()}")
    outcome: dict[str, Any] = {}
    with pulse:
        try:
            with _failures(log):
                outcome = _train(folder, attempt, pulse, log)
        except JobFailed as failure:
            if folder.fenced(attempt):
                return SAVED
            log(f"failed: {failure.code} {dict(failure.fields) or ''}".rstrip())
            outcome = {"outcome": "failed", "failure": {"code": failure.code, "fields": dict(failure.fields)}}
    if folder.fenced(attempt):
        log(f"attempt {attempt} gives way to a later one")
        return SAVED
    if not outcome and folder.cancelled():
        outcome = {"outcome": "cancelled"}
    if not outcome:
        log("stopped; a later attempt goes on from the checkpoint")
        return SAVED
    folder.write_result({**outcome, "attempt": attempt, "peak_rss": peak_rss(), "time": time.time()})
    log(f"ended: {outcome['outcome']}")
    if outcome["outcome"] == "succeeded":
        for path in folder.path.glob("ckpt-*"):
            shutil.rmtree(path, ignore_errors=True)
    return 0


def peak_rss() -> int:
    """Bytes that this process held at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextlib.contextmanager
def _failures(log: Log) -> Iterator[None]:
    """Whatever goes wrong inside becomes a :class:`JobFailed` with a code of ours."""
    try:
        yield
    except JobFailed:
        raise
    except ProviderError as error:
        raise JobFailed(error.code, **error.fields) from error
    except FileNotFoundError as error:
        raise JobFailed("dataset_missing", file=Path(str(error.filename)).name) from error
    except MemoryError as error:
        raise JobFailed("out_of_memory") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise JobFailed("disk_full") from error
        if error.errno == errno.ENOMEM:
            raise JobFailed("out_of_memory") from error
        traceback.print_exc()
        raise JobFailed("trainer_crashed", detail=type(error).__name__) from error
    except Exception as error:  # the last line of defence: people get a code, the operator gets the traceback
        words = str(error).lower()
        if any(phrase in words for phrase in ("can't allocate memory", "not enough memory", "bad_alloc")):
            raise JobFailed("out_of_memory") from error
        if any(phrase in words for phrase in ("no space left", "file write failed", "unexpected pos")):
            raise JobFailed("disk_full") from error
        from finetune.providers.local.chat import UnstableTemplate

        if isinstance(error, UnstableTemplate):
            raise JobFailed("template_unstable") from error
        traceback.print_exc()
        log(f"unexpected {type(error).__name__}; see crash.txt")
        raise JobFailed("trainer_crashed", detail=type(error).__name__) from error


def _check_files(manifest: Mapping[str, Any]) -> None:
    for name in ("training", "validation"):
        entry = manifest[name]
        if entry is None:
            continue
        digest = hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest()
        if digest != entry["sha256"]:
            raise JobFailed("dataset_changed", file=Path(entry["path"]).name)


def _train(folder: JobFolder, attempt: int, pulse: Pulse, log: Log) -> dict[str, Any]:
    """The whole work. An empty answer means that it was stopped on the way."""
    from finetune.providers.local.work import Work

    manifest = folder.manifest()
    _check_files(manifest)
    return Work(folder, attempt, manifest, pulse, log, JobFailed).outcome()


if __name__ == "__main__":
    sys.exit(main())
