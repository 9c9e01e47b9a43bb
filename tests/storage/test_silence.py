"""A network that swallows what is said, and tells nobody: nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database, DatabaseAway, away
from storage.repositories import settings
from tests.wire import Wire

# SQLite has no network.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SECONDS = 0.5


@pytest.fixture
async def wire(database_url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    migrated = Database(database_url)
    await migrated.migrate()
    await migrated.close()
    async with Wire(database_url, tmp_path / "wire", 0.0) as found:
        yield found


async def test_a_statement_without_an_answer_is_an_outage_and_what_comes_after_it_is_stored(wire: Wire) -> None:
    database = Database(wire.url, seconds=SECONDS)
    with pytest.raises(DatabaseAway) as raised:  # noqa: PT012
        async with database.transaction() as session:
            await settings.put(session, "word", "lost")
            wire.swallow()
            await session.execute(text("SELECT 1"))
    assert away(raised.value)
    wire.carry()
    async with database.transaction() as session:
        assert await settings.get(session, "word") is None
        await settings.put(session, "word", "kept")
    async with database.transaction() as session:
        assert await settings.get(session, "word") == "kept"
    await database.close()


async def test_a_commit_without_an_answer_is_an_outage(wire: Wire) -> None:
    database = Database(wire.url, seconds=SECONDS)
    with pytest.raises(DatabaseAway):  # noqa: PT012
        async with database.transaction() as session:
            await settings.put(session, "word", "perhaps")
            wire.swallow()
    wire.carry()
    await database.close()


async def test_whoever_is_cancelled_in_the_silence_is_soon_free(wire: Wire) -> None:
    database = Database(wire.url)
    began = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as session:
            await settings.put(session, "word", "lost")
            wire.swallow()
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([task])
    assert task.cancelled()
    wire.carry()
    # And its connection with it.
    async with asyncio.timeout(60):
        async with database.transaction() as session:
            await settings.put(session, "word", "kept")
    await database.close()


async def test_whoever_listens_in_the_silence_is_soon_free(wire: Wire) -> None:
    database = Database(wire.url)
    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with database.driver() as connection:
                wire.swallow()
                await connection.execute("SELECT 1", timeout=SECONDS)
    await database.close()


async def test_closing_in_the_silence_ends(wire: Wire) -> None:
    database = Database(wire.url)
    together = asyncio.Barrier(5)

    async def work() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await together.wait()

    await asyncio.gather(*(work() for _ in range(5)))
    wire.swallow()
    async with asyncio.timeout(60):
        await database.close()


async def test_what_concerns_whole_tables_takes_as_long_as_it_takes(wire: Wire) -> None:
    database = Database(wire.url, seconds=SECONDS)
    async with database.connection() as connection:
        await connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": SECONDS * 3})
    await database.close()
