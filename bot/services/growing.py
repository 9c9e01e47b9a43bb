"""Keeps the text of answers that are being made, all of them in one transaction every other second.

A process that is killed loses at most that much of what was said.
"""

import asyncio
import logging
from collections.abc import Sequence

from bot.answering.clock import Clock
from storage.database import Database
from storage.repositories import conversations as turns

log = logging.getLogger(__name__)

KEEP_EVERY = 2.0  # seconds


class Growing:
    """Answers under way: each a list of pieces that its reader appends to."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._texts: dict[int, Sequence[str]] = {}
        self._kept: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, answer_id: int, pieces: Sequence[str]) -> None:
        """Begin to keep an answer's text."""
        self._texts[answer_id] = pieces
        self._kept[answer_id] = 0
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    def remove(self, answer_id: int) -> None:
        """Whoever made the answer keeps it from now on."""
        self._texts.pop(answer_id, None)
        self._kept.pop(answer_id, None)

    async def close(self) -> None:
        """Keep nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while self._texts:
            await self._clock.sleep(KEEP_EVERY)
            grown = {key: pieces for key, pieces in self._texts.items() if len(pieces) != self._kept[key]}
            if not grown:
                continue
            sizes = {key: len(pieces) for key, pieces in grown.items()}
            texts = {key: "".join(pieces) for key, pieces in grown.items()}
            try:
                async with self._database.transaction() as session:
                    await turns.grow(session, texts)
            except Exception:
                log.exception("answers under way could not be kept; the next try comes in %g s", KEEP_EVERY)
            else:
                self._kept.update({key: size for key, size in sizes.items() if key in self._kept})
