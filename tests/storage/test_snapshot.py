"""A whole database as a file, from either kind into either kind."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, select

from storage import snapshot
from storage.database import Database, DatabaseProblem, upgrade
from storage.repositories import people, settings
from storage.tables import Conversation, Dataset, DatasetVersion, Person, Turn

MOMENT = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)


async def filled(database: Database, count: int = 1200) -> None:
    async with database.transaction() as session:
        session.add_all(Person(name=f"龙 {n}", role="user", created_at=MOMENT + timedelta(seconds=n)) for n in range(3))
        await session.flush()
        session.add(Dataset(id=7, owner_id=2, name="teller", created_at=MOMENT))
        await session.flush()
        session.add(
            DatasetVersion(
                dataset_id=7,
                number=1,
                source_digest="a",
                canonical_digest="b",
                report={"x": [1, None]},
                created_at=MOMENT,
            )
        )
        session.add(Conversation(id=1, platform="chats", chat="2147483648999", thread="", kind="private"))
        await session.flush()
        session.add_all(
            Turn(conversation_id=1, language="zh", role="user", text="一\n二", state="answered", created_at=MOMENT)
            for _ in range(count)
        )


async def everything(database: Database) -> list[object]:
    async with database.transaction() as session:
        version = (await session.scalars(select(DatasetVersion))).one()
        turns = list(await session.scalars(select(Turn).order_by(Turn.id)))
        return [
            [(p.id, p.name, p.created_at, p.language) for p in await people.everybody(session)],
            (version.report, version.measures, version.sheets, version.created_at),
            [(turn.id, turn.text, turn.page) for turn in turns],
        ]


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
async def test_a_snapshot_goes_into_either_kind(
    database: Database, into: str, tmp_path: Path, postgres_folder: Path
) -> None:
    await filled(database)
    before = await everything(database)
    file, revision = await snapshot.take(database, tmp_path)
    if into == "postgresql":
        admin = await asyncpg.connect(host=str(postgres_folder), user="postgres", database="postgres")
        name = f"other_{database.url.get_backend_name()}"
        await admin.execute(f"CREATE DATABASE {name}")
        target = Database(f"postgresql://postgres@/{name}?host={postgres_folder}")
    else:
        admin, target = None, Database(f"sqlite:///{tmp_path / 'other.db'}")
    async with target.connection(lock=True) as connection:
        assert await connection.run_sync(snapshot.is_empty)
        await connection.run_sync(snapshot.load, file, revision)
    assert await everything(target) == before
    async with target.transaction() as session:
        # Numbers go on after what was put in.
        assert (await people.create(session, "new", "user", None)).id == 4
    await target.close()
    if admin is not None:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def test_a_snapshot_is_of_one_moment_while_others_write(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as session:
        await settings.put(session, "left", "0")
        await settings.put(session, "right", "0")
    ending = asyncio.Event()

    async def write() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            async with database.transaction() as session:
                await settings.put(session, "left", str(number))
                await settings.put(session, "right", str(number))

    writer = asyncio.create_task(write())
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        file, revision = await snapshot.take(database, folder)
        target = Database(f"sqlite:///{folder / 'other.db'}")
        async with target.connection() as connection:
            await connection.run_sync(snapshot.load, file, revision)
        async with target.transaction() as session:
            assert await settings.get(session, "left") == await settings.get(session, "right")
        await target.close()
    ending.set()
    await writer


async def test_a_snapshot_of_an_earlier_revision_is_brought_up(database_url: str, tmp_path: Path) -> None:
    early = Database(database_url)

    def at_the_second(connection: Connection) -> None:
        upgrade(connection, "0002")
        connection.exec_driver_sql(
            "INSERT INTO people (id, name, role, created_at) VALUES (1, 'Ann', 'trainer', '2026-03-01 12:30:00')"
        )

    async with early.connection() as connection:
        await connection.run_sync(at_the_second)
    file, revision = await snapshot.take(early, tmp_path)
    await early.close()
    assert revision == "0002"
    target = Database(f"sqlite:///{tmp_path / 'other.db'}")
    async with target.connection() as connection:
        await connection.run_sync(snapshot.load, file, revision)
    async with target.transaction() as session:
        assert [person.name for person in await people.everybody(session)] == ["Ann"]
    await target.close()


async def test_a_database_without_tables_has_no_snapshot(database_url: str, tmp_path: Path) -> None:
    empty = Database(database_url)
    (tmp_path / "test.db").touch()
    with pytest.raises(DatabaseProblem):
        await snapshot.take(empty, tmp_path)
    await empty.close()


def test_other_revisions_are_not_known() -> None:
    assert snapshot.knows("0001")
    assert not snapshot.knows("9999")
