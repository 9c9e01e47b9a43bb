"""Hints between processes on one PostgreSQL: that there is something to look at. One may get lost, so nothing rests on
them but speed; on SQLite there is one process and nobody to hint to.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database import Database

log = logging.getLogger(__name__)

_CHANNEL = "tuneteller"
_AGAIN_SECONDS = 2.0
_PROBE_SECONDS = 20.0
# PostgreSQL takes 8000 bytes.
_LONGEST = 2000

Hear = Callable[[str, str], None]


async def give(session: AsyncSession, topic: str, subject: str = "") -> None:
    """Hint at something, if and when this transaction is stored."""
    if session.get_bind().dialect.name != "postgresql":
        return
    hint = f"{topic} {subject}"
    if len(hint) <= _LONGEST:
        await session.execute(select(func.pg_notify(_CHANNEL, hint)))


class Hints:
    """Hears what other processes hint at (and this one itself)."""

    def __init__(self, database: Database, hear: Hear) -> None:
        self._database = database
        self._hear = hear

    async def run(self) -> None:
        """Listen, for ever."""
        if self._database.is_sqlite:
            return
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - the driver's own errors are as many as its reasons to lose a peer
                log.info("hints are not heard (%s); what they hint at is found later", type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(self) -> None:
        async with self._database.driver() as connection:
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(_CHANNEL, self._heard)
            while not closed.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS):
                        await closed.wait()
                if not closed.is_set():
                    # A peer that vanished without a word is noticed only by asking it something.
                    await connection.execute("SELECT 1", timeout=_PROBE_SECONDS)

    def _heard(self, _connection: object, _pid: int, _channel: str, hint: object) -> None:
        topic, _, subject = str(hint).partition(" ")
        self._hear(topic, subject)
