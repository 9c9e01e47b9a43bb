"""Transactions, migrations and the things that two databases do differently."""

import asyncio
import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from storage.database import Database, DatabaseProblem, alembic_config, database_url, upgrade
from storage.line import Line
from storage.repositories import albums, datasets, jobs, people, settings
from storage.tables import Person, Setting, Table


async def test_read_modify_write_loses_nothing(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Setting(name="count", value="0"))

    async def add() -> None:
        for _ in range(10):
            async with database.transaction() as session:
                row = (await session.scalars(select(Setting).where(Setting.name == "count").with_for_update())).one()
                row.value = str(int(row.value) + 1)

    await asyncio.gather(*(add() for _ in range(8)))
    async with database.transaction() as session:
        assert await settings.get(session, "count") == "80"


async def test_reading_waits_for_nobody_who_writes(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Setting(name="a", value="before"))
    async with database.transaction() as session:
        await settings.put(session, "a", "after")
        await session.flush()
        async with asyncio.timeout(10), database.reading() as reader:
            assert await settings.get(reader, "a") == "before"
    async with database.reading() as reader:
        found = await reader.get_one(Setting, "a")
    assert found.value == "after", "what was read can be used afterwards"


async def test_on_sqlite_whoever_only_reads_cannot_write(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'read.db'}")
    await database.migrate()
    with pytest.raises(OperationalError, match="readonly"):
        async with database.reading() as session:
            await settings.put(session, "a", "1")
    async with database.transaction() as session:
        assert await settings.get(session, "a") is None
    await database.close()


async def test_who_is_urgent_writes_next(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'line.db'}")
    await database.migrate()
    order: list[str] = []

    async def write(name: str, *, urgent: bool = False) -> None:
        async with database.transaction(urgent=urgent) as session:
            order.append(name)
            await settings.put(session, name, "1")

    async with database.transaction():
        waiting = [asyncio.ensure_future(write(str(number))) for number in range(3)]
        await asyncio.sleep(0)
        given_up, urgent = asyncio.ensure_future(write("given up")), asyncio.ensure_future(write("urgent", urgent=True))
        await asyncio.sleep(0)
        given_up.cancel()
    await asyncio.gather(urgent, *waiting)
    assert order == ["urgent", "0", "1", "2"]
    assert given_up.cancelled()
    await database.close()


async def test_a_turn_that_is_given_to_somebody_who_gives_up_is_given_on() -> None:
    line = Line()

    async def take() -> None:
        async with line.turn():
            pass

    async with line.turn():
        first, second = asyncio.ensure_future(take()), asyncio.ensure_future(take())
        await asyncio.sleep(0)
    # It has its turn and does not know it yet.
    first.cancel()
    async with asyncio.timeout(10):
        await second
    assert first.cancelled()


@pytest.mark.parametrize("handed_over", [False, True])
async def test_many_may_give_up_at_once(handed_over: bool) -> None:
    line = Line()

    async def take() -> None:
        async with line.turn():
            pass

    async with line.turn():
        waiting = [asyncio.ensure_future(take()) for _ in range(4)]
        await asyncio.sleep(0)
        if not handed_over:
            for each in waiting[:3]:
                each.cancel()
    # None of them has had the time to leave the line.
    for each in waiting[:3]:
        each.cancel()
    async with asyncio.timeout(10):
        await waiting[3]
        async with line.turn():
            pass
    assert [each.cancelled() for each in waiting] == [True, True, True, False]


async def test_a_failed_transaction_stores_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half-way"):  # noqa: PT012
        async with database.transaction() as session:
            await people.create(session, "Ann", "user", None)
            raise RuntimeError("half-way")
    async with database.transaction() as session:
        assert await people.everybody(session) == []


async def test_text_is_kept_the_same_on_both(database: Database) -> None:
    async with database.transaction() as session:
        await people.create(session, "a\x00b \ud83d 龙", "user", None)
    async with database.transaction() as session:
        assert (await people.everybody(session))[0].name == "ab ? 龙"


async def test_ids_of_platforms_fit(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Person(id=2**40, name="big", role="user", created_at=datetime.now(UTC)))
    async with database.transaction() as session:
        assert await people.get(session, 2**40) is not None


async def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=8)))
    async with database.transaction() as session:
        session.add(Person(name="t", role="user", created_at=moment))
    async with database.transaction() as session:
        found = (await people.everybody(session))[0].created_at
    assert found == moment
    assert found.utcoffset() == timedelta(0)


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="naive"):
        async with database.transaction() as session:
            session.add(Person(name="t", role="user", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_three_starts_at_once_migrate_once(database_url: str) -> None:
    several = [Database(database_url) for _ in range(3)]
    await asyncio.gather(*(one.migrate() for one in several))
    assert all([await one.writable() for one in several])
    for one in several:
        await one.close()


async def test_migrations_make_exactly_the_tables(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Table.metadata))

    async with database._engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_database_that_cannot_be_opened_says_why_and_hides_its_password() -> None:
    broken = Database("postgresql://me:topsecret@127.0.0.1:1/none")
    with pytest.raises(DatabaseProblem) as caught:
        await broken.migrate()
    assert "topsecret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    await broken.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(Exception, match=r".+"):
        database_url(url)


async def test_errors_do_not_carry_what_people_wrote(tmp_path: Path) -> None:
    found = Database(f"sqlite:///{tmp_path / 'x.db'}")
    await found.migrate()
    with pytest.raises(Exception, match="UNIQUE") as caught:  # noqa: PT012
        async with found.transaction() as session:
            session.add(Setting(name="a", value="a private sentence"))
            await session.flush()
            session.expunge_all()
            session.add(Setting(name="a", value="a private sentence"))
    assert "private" not in str(caught.value)
    await found.close()


async def test_an_earlier_revision_with_rows_is_brought_up(database_url: str) -> None:
    found = Database(database_url)

    def at_the_first(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO people (id, name, role, created_at) VALUES (1, 'Ann', 'trainer', '2026-03-01 12:30:00')")
        )
        connection.execute(
            text("INSERT INTO datasets (id, owner_id, name, created_at) VALUES (7, 1, 'old', '2026-03-01 12:30:00')")
        )
        for number in (1, 2):
            connection.execute(
                text(
                    "INSERT INTO dataset_versions (id, dataset_id, number, source_digest, canonical_digest, report,"
                    " created_at) VALUES (:id, 7, :number, 'a', 'b', '{}', '2026-03-01 12:30:00')"
                ),
                {"id": number, "number": number},
            )

    async with found._engine.begin() as connection:
        await connection.run_sync(at_the_first)
    await found.migrate()
    async with found.transaction() as session:
        dataset = await datasets.get(session, 7)
        assert dataset is not None
        assert (dataset.kind, dataset.current) == ("text", 2)
        versions = await datasets.versions(session, 7)
        assert [(version.number, version.file_name, version.measures) for version in versions] == [
            (1, "", None),
            (2, "", None),
        ]
    await found.close()


async def test_jobs_of_the_fourth_revision_are_told_what_they_were_made_for(database_url: str) -> None:
    found = Database(database_url)
    lines = (
        "INSERT INTO people (id, name, role, created_at) VALUES (1, 'Ann', 'trainer', '2026-03-01 12:30:00')",
        "INSERT INTO datasets (id, owner_id, name, created_at) VALUES (7, 1, 'old', '2026-03-01 12:30:00')",
        (
            "INSERT INTO dataset_versions (id, dataset_id, number, source_digest, canonical_digest, report, created_at)"
            " VALUES (1, 7, 1, 'a', 'b', '{}', '2026-03-01 12:30:00')"
        ),
        (
            "INSERT INTO jobs (id, key, person_id, language, platform, chat, thread, place_kind, dataset_version_id,"
            " provider, base, preset, name, seed, validation_share, hyperparameters, line, plan, state, word, attempt,"
            " cancel_requested, progress, created_at) VALUES (1, 'job-1', 1, 'en', 'chats', 'ann', '', 'private', 1,"
            " 'local', 'base', 'standard', 'old', 42, 0.1, '{}', '/train', '{}', 'running', '', 2, false, '{}',"
            " '2026-03-01 12:30:00')"
        ),
    )

    def at_the_fourth(connection: Connection) -> None:
        upgrade(connection, "0004")
        for line in lines:
            connection.execute(text(line))

    async with found.connection() as connection:
        await connection.run_sync(at_the_fourth)
    await found.migrate()
    async with found.transaction() as session:
        job = await jobs.get(session, 1)
        assert job is not None
        assert (job.data_digest, job.run, job.attempt) == ("b", 1, 2)
    await found.close()


async def test_the_second_revision_with_rows_is_brought_up(database_url: str) -> None:
    found = Database(database_url)

    def at_the_second(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for line in (
            "INSERT INTO people (id, name, role, created_at) VALUES (1, 'Ann', 'trainer', '2026-03-01 12:30:00')",
            "INSERT INTO datasets (id, owner_id, name, created_at) VALUES (7, 1, 'old', '2026-03-01 12:30:00')",
            (
                "INSERT INTO dataset_versions (id, dataset_id, number, source_digest, canonical_digest, report,"
                " created_at) VALUES (1, 7, 1, 'a', 'b', '{}', '2026-03-01 12:30:00')"
            ),
        ):
            connection.execute(text(line))

    async with found._engine.begin() as connection:
        await connection.run_sync(at_the_second)
    await found.migrate()
    async with found.transaction() as session:
        (dataset,) = await datasets.listing(session, 1, 5)
        assert [(version.number, version.sheets) for version in await datasets.versions(session, 7)] == [(1, None)]
        album = await albums.open_album(session, "1:web:room:", 1)
        await albums.close(session, album, dataset.id)
    await found.close()


async def test_writers_that_are_cancelled_leave_the_file_to_others(tmp_path: Path) -> None:
    """At whatever point: a machine that stops for a moment cancels what had a time limit."""
    found = Database(f"sqlite:///{tmp_path / 'bot.db'}")
    await found.migrate()
    chance = random.Random(11)  # noqa: S311 - moments, not secrets

    async def write() -> None:
        async with found.transaction() as session:
            await session.execute(text("UPDATE settings SET value = value WHERE name = 'x'"))
            await session.execute(text("SELECT count(*) FROM people"))

    for _ in range(300):
        writers = [asyncio.create_task(write()) for _ in range(3)]
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        for writer in writers:
            if chance.random() < 0.6:
                writer.cancel()
        await asyncio.wait(writers)
        await asyncio.wait_for(write(), 10)
    await found.close()
