"""Every earlier revision, with a row in every table, is brought to the newest without losing one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Connection, DateTime, Float, Integer, MetaData, Table, select

from storage.database import Database, alembic_config, upgrade
from storage.tables import Turn, UpdateRow

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def revisions() -> list[str]:
    """All but the newest, oldest first."""
    found = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
    return found[:0:-1]


def tables(connection: Connection) -> Iterator[Table]:
    """All tables, those first that others refer to."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name != "alembic_version")
    yield from metadata.sorted_tables


def value(column: Any) -> Any:
    """Something that fits a column."""
    kind = column.type
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, DateTime):
        return AT
    if isinstance(kind, JSON):
        return {}
    if isinstance(kind, Integer | Float):
        return 1
    if column.name == "event":
        return 'message {"place": {"platform": "web", "chat": "room"}}'
    return "room" if column.name == "chat" else "1"


def fill(connection: Connection) -> dict[str, int]:
    """One row in each table; optional columns stay empty."""
    for table in tables(connection):
        wanted = {column.name: value(column) for column in table.columns if not column.nullable}
        connection.execute(table.insert().values(wanted))
    return counts(connection)


def counts(connection: Connection) -> dict[str, int]:
    return {table.name: len(connection.execute(select(table)).all()) for table in tables(connection)}


@pytest.mark.parametrize("revision", revisions())
async def test_nothing_is_lost_on_the_way_up(database_url: str, revision: str) -> None:
    found = Database(database_url)

    def prepare(connection: Connection) -> dict[str, int]:
        upgrade(connection, revision)
        return fill(connection)

    async with found.connection() as connection:
        before = await connection.run_sync(prepare)
    assert set(before.values()) == {1}
    await found.migrate()
    async with found.connection() as connection:
        after = await connection.run_sync(counts)
    assert {name: after[name] for name in before} == before
    async with found.transaction() as session:
        assert list(await session.scalars(select(UpdateRow.chat))) == ["room"], "an open update knows its chat"
    await found.close()


async def test_questions_that_were_answered_together_are_found(database_url: str) -> None:
    """By what stood between two answers, before it was written down."""
    found = Database(database_url)
    turns = (
        ("user", "answered", None),
        ("assistant", "done", 1),
        ("user", "answered", None),
        ("user", "answered", None),
        ("assistant", "superseded", 4),
        ("assistant", "done", 4),
        ("user", "answered", None),
        ("assistant", "done", 4),
        ("assistant", "done", 7),
        ("user", "waiting", None),
    )

    def prepare(connection: Connection) -> None:
        upgrade(connection, "0014")
        known = {table.name: table for table in tables(connection)}
        talk = {"id": 1, "platform": "web", "chat": "room", "thread": "", "kind": "group"}
        columns = known["conversations"].columns
        talk |= {each.name: value(each) for each in columns if not each.nullable and each.name not in talk}
        connection.execute(known["conversations"].insert().values(talk))
        for number, (role, state, answer_to) in enumerate(turns, 1):
            row = {"id": number, "conversation_id": 1, "role": role, "state": state, "answer_to": answer_to}
            row |= {"text": "x", "language": "en", "owed": False, "created_at": AT}
            connection.execute(known["turns"].insert().values(row))

    async with found.connection() as connection:
        await connection.run_sync(prepare)
    await found.migrate()
    async with found.transaction() as session:
        together = list(await session.scalars(select(Turn.answered_with).order_by(Turn.id)))
    assert together == [1, None, 4, 4, None, None, 7, None, None, None]
    await found.close()
