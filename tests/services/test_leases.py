"""A process says that it lives, loses what it held when it cannot, and goes on when it can again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.services.leases import Leases
from storage.database import Database
from storage.repositories import leases as rows
from storage.tables import Lease, Replica
from tests.services.wire import Wire

# SQLite has one process.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

FAR = 0.04  # seconds each way: another continent
LEASE = "chat:chats:ann"
SECONDS = 4.0
# As many as want a connection at once when a busy team's bot wakes up.
CROWD = 150


@asynccontextmanager
async def far(folder: Path, url: str) -> AsyncIterator[tuple[Wire, Database, Leases, asyncio.Event]]:
    """A process, its way to its database, and whether it has lost what it held."""
    migrated = Database(url)
    await migrated.migrate()
    await migrated.close()
    async with Wire(url, folder / "wire", FAR) as wire:
        database = Database(wire.url)
        leases = Leases(database, "r0", seconds=SECONDS)
        lost = asyncio.Event()
        leases.lost = lambda _: lost.set()
        await leases.start()
        running = asyncio.create_task(leases.run())
        try:
            assert await leases.hold(LEASE)
            yield wire, database, leases, lost
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            with suppress(Exception):
                async with asyncio.timeout(1):
                    await leases.close()
            await database.close()


async def test_after_an_outage_a_process_far_from_its_database_goes_on(tmp_path: Path, database_url: str) -> None:
    async with far(tmp_path, database_url) as (wire, _, leases, lost):
        await wire.cut()
        async with asyncio.timeout(60):
            await lost.wait()
        assert not leases.has(LEASE)
        await wire.mend()
        async with asyncio.timeout(60):
            while not await leases.hold(LEASE):  # noqa: ASYNC110 - leases have no event
                await asyncio.sleep(0.05)


async def test_all_is_lost_before_another_takes_it_however_the_database_falls_silent(
    tmp_path: Path, database_url: str
) -> None:
    direct = Database(database_url)
    async with far(tmp_path, database_url) as (wire, _, leases, lost):
        wire.swallow()
        async with asyncio.timeout(60):
            await lost.wait()
        async with direct.transaction() as session:
            assert await rows.alive(session) == 1, "nobody else could have taken it yet"
        assert not leases.has(LEASE)
    await direct.close()


async def test_a_crowd_that_wants_the_database_costs_no_lease(tmp_path: Path, database_url: str) -> None:
    direct = Database(database_url)
    async with far(tmp_path, database_url) as (_, database, leases, lost):

        async def busy() -> None:
            while True:
                async with database.transaction() as session:
                    await rows.alive(session)

        crowd = [asyncio.create_task(busy()) for _ in range(CROWD)]
        renewals: set[datetime] = set()
        async with asyncio.timeout(120):
            while len(renewals) < 8 and not lost.is_set():
                async with direct.transaction() as session:
                    renewals |= set(await session.scalars(select(Replica.until)))
                await asyncio.sleep(0.05)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        assert not lost.is_set()
        assert leases.has(LEASE)
    await direct.close()


async def test_what_lay_idle_is_given_back_at_once_and_costs_no_lease(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = Database(database_url)
    async with far(tmp_path, database_url) as (_, _, leases, lost):
        names = [f"chat:chats:{number}" for number in range(40)]
        await asyncio.gather(*(leases.hold(name) for name in names))
        leases.busy = lambda name: name == LEASE
        monkeypatch.setattr("bot.services.leases._IDLE_SECONDS", 0.0)
        left: list[str] = names
        async with asyncio.timeout(60):
            while left != [LEASE]:
                async with direct.transaction() as session:
                    left = list(await session.scalars(select(Lease.name)))
                await asyncio.sleep(0.05)
        assert not lost.is_set()
        assert await leases.hold(names[0])
    await direct.close()
