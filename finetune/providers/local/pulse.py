"""The trainer's sign of life: a thread that writes the heartbeat and looks whether the work should stop."""

import os
import threading
import time
from typing import Any, Self

import psutil

from finetune.providers.local.folder import JobFolder

PERIOD = 1.0
POINTS = 300


class Pulse:
    """Writes ``heartbeat.json`` every second while it is open. ``update`` changes what it says."""

    def __init__(self, folder: JobFolder, attempt: int) -> None:
        self._folder = folder
        self._attempt = attempt
        self._facts: dict[str, Any] = {"phase": "loading"}
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def stop(self) -> None:
        """Ask the work to stop (safe in a signal handler)."""
        self._stop.set()

    def stopping(self) -> bool:
        """Whether the work should stop: a signal, a wish to cancel, or a later attempt."""
        return self._stop.is_set()

    def update(self, **facts: Any) -> None:
        """Change what the heartbeat says; it is written with the next beat."""
        with self._guard:
            self._facts.update(facts)

    def _beat(self) -> None:
        while not self._closed.wait(PERIOD):
            self._look()

    def _look(self) -> None:
        if self._folder.cancelled() or self._folder.fenced(self._attempt):
            self._stop.set()
        with self._guard:
            beat = {**self._facts, "attempt": self._attempt, "pid": os.getpid(), "time": time.time(), "rss": _rss()}
        if not self._folder.fenced(self._attempt):
            try:
                self._folder.write_heartbeat(beat)
            except OSError:
                # A full disk must not end the thread that also watches for the wish to stop.
                return


def _rss() -> int | None:
    return int(psutil.Process().memory_info().rss)


def thinned(losses: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most a few hundred points, the last one always among them."""
    stride = -(-len(losses) // POINTS)
    return losses[::-1][:: max(stride, 1)][::-1]
