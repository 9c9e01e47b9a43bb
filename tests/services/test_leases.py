"""A process says that it lives, loses what it held when it cannot, and goes on when it can again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.services.leases import Leases
from storage.database import Database
from storage.repositories import leases as rows
from storage.tables import Lease, Replica
from tests.wire import Wire

# SQLite has one process.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

FAR = 0.04  # seconds each way: another continent
LEASE = "chat:chats:ann"
# A lease that is to be lost, and one that no busy machine costs.
SHORT, LONG = 10.0, 20.0
# As many connections as a process has at most.
ALL = 15


@asynccontextmanager
async def far(
    folder: Path, url: str, seconds: float, begins: asyncio.Event | None = None
) -> AsyncIterator[tuple[Wire, Database, Leases, asyncio.Event]]:
    """A process, its way to its database, and whether it has lost what it held. It goes on once it ``begins``."""
    migrated = Database(url)
    await migrated.migrate()
    await migrated.close()
    async with Wire(url, folder / "wire", FAR) as wire:
        database = Database(wire.url)
        leases = Leases(database, "r0", seconds=seconds)
        lost = asyncio.Event()
        leases.lost = lambda _: lost.set()
        await leases.start()

        async def run() -> None:
            if begins is not None:
                await begins.wait()
            await leases.run()

        running = asyncio.create_task(run())
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
    async with far(tmp_path, database_url, SHORT) as (wire, _, leases, lost):
        await wire.cut()
        async with asyncio.timeout(60):
            await lost.wait()
        assert not leases.has(LEASE)
        await wire.mend()
        async with asyncio.timeout(60):
            while not await leases.hold(LEASE):  # noqa: ASYNC110 - leases have no event
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("begins_late", [False, True])
async def test_all_is_lost_before_another_takes_it_however_the_database_falls_silent(
    begins_late: bool, tmp_path: Path, database_url: str
) -> None:
    direct = Database(database_url)
    begins = asyncio.Event()
    if not begins_late:
        begins.set()
    async with far(tmp_path, database_url, SHORT, begins) as (wire, _, leases, lost):
        wire.swallow()
        if begins_late:
            until = SHORT
            while until > SHORT * 0.15:
                async with direct.transaction() as session:
                    until = await session.scalar(select(func.extract("epoch", Replica.until - func.now()))) or 0.0
            assert not lost.is_set()
            begins.set()
        async with asyncio.timeout(60):
            await lost.wait()
        async with direct.transaction() as session:
            assert await rows.alive(session) == 1, "nobody else could have taken it yet"
        assert not leases.has(LEASE)
    await direct.close()


async def test_what_was_lost_and_not_needed_again_is_given_back(tmp_path: Path, database_url: str) -> None:
    direct = Database(database_url)
    begins = asyncio.Event()
    async with far(tmp_path, database_url, SHORT, begins) as (_, _, leases, lost):
        while leases.has(LEASE):  # noqa: ASYNC110 - leases have no event
            await asyncio.sleep(0.05)
        # It was held up, but lives: it goes on before anybody could take over.
        begins.set()
        async with asyncio.timeout(60):
            await lost.wait()
            while True:
                async with direct.transaction() as session:
                    if not list(await session.scalars(select(Lease.name))):
                        break
                await asyncio.sleep(0.05)
        assert await leases.hold(LEASE)
        assert leases.has(LEASE)
    await direct.close()


async def test_work_that_takes_all_connections_costs_no_lease(tmp_path: Path, database_url: str) -> None:
    direct = Database(database_url)
    async with far(tmp_path, database_url, LONG) as (_, database, leases, lost):
        done = asyncio.Event()

        async def busy(began: asyncio.Event) -> None:
            async with database.transaction() as session:
                await rows.alive(session)
                began.set()
                await done.wait()

        begun = [asyncio.Event() for _ in range(ALL)]
        work = [asyncio.create_task(busy(event)) for event in begun]
        await asyncio.gather(*(event.wait() for event in begun))
        renewals: set[datetime] = set()
        async with asyncio.timeout(120):
            while len(renewals) < 3 and not lost.is_set():
                async with direct.transaction() as session:
                    renewals |= set(await session.scalars(select(Replica.until)))
                await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*work)
        assert not lost.is_set()
        assert leases.has(LEASE)
    await direct.close()


async def test_what_lay_idle_is_given_back_at_once_and_costs_no_lease(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = Database(database_url)
    async with far(tmp_path, database_url, LONG) as (_, _, leases, lost):
        # One at a time they would take longer than the lease.
        names = [f"chat:chats:{number}" for number in range(100)]
        await asyncio.gather(*(leases.hold(name) for name in names))
        leases.busy = lambda name: name == LEASE
        monkeypatch.setattr("bot.services.leases._IDLE_SECONDS", 0.0)
        left: list[str] = names
        async with asyncio.timeout(120):
            while left != [LEASE] and not lost.is_set():
                async with direct.transaction() as session:
                    left = list(await session.scalars(select(Lease.name)))
                await asyncio.sleep(0.05)
        assert not lost.is_set()
        assert await leases.hold(names[0])
    await direct.close()
