"""A whole database as one file, taken while others write, and put back into a database of either kind.

Of SQLite it is a copy by the online backup API. Of PostgreSQL it is every row, read in one repeatable-read
transaction: a line for each table, then a line for each of its rows.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import JSON, Connection, DateTime, MetaData, Table, create_engine, func, insert, inspect, select, text
from sqlalchemy.engine import URL

from storage.database import Database, DatabaseProblem, alembic_config, upgrade

SQLITE = "database.sqlite"
ROWS = "database.jsonl"
_BATCH = 500
_VERSIONS = "alembic_version"


async def take(database: Database, folder: Path) -> tuple[Path, str]:
    """Write a snapshot into ``folder``; returns it and its revision. Raises :class:`DatabaseProblem`."""
    if database.is_sqlite:
        assert database.url.database is not None
        target = folder / SQLITE
        revision = await asyncio.to_thread(_copy, Path(database.url.database), target)
        return target, revision
    target = folder / ROWS
    async with database.connection(isolation="REPEATABLE READ") as connection:
        return target, await connection.run_sync(_export, target)


def _copy(source: Path, target: Path) -> str:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as living,
            closing(sqlite3.connect(target)) as copy,
        ):
            living.backup(copy)
            # One file, without a journal beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            return str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError) as error:
        raise DatabaseProblem(f"{source.name}: {error}") from error


def _export(connection: Connection, target: Path) -> str:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise DatabaseProblem("there are no tables")
    with target.open("w", encoding="utf-8") as file:
        for line in _lines(connection):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return revision


def _lines(connection: Connection) -> Iterator[Any]:
    """For each table its name and columns, then its rows."""
    for table in _tables(connection):
        yield {"table": table.name, "columns": [column.name for column in table.columns]}
        query = select(table).execution_options(yield_per=_BATCH)
        for row in connection.execute(query):
            yield [_plain(value) for value in row]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        # SQLite forgets the zone; all that is stored is UTC.
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    return value


def _tables(connection: Connection) -> list[Table]:
    """All tables as they are, whatever the revision, those first that others refer to."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name != _VERSIONS)
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return metadata.sorted_tables


def knows(revision: str) -> bool:
    """Whether this version of the program has the migrations of a snapshot."""
    try:
        return ScriptDirectory.from_config(alembic_config()).get_revision(revision) is not None
    except CommandError:
        return False


def load(connection: Connection, snapshot: Path, revision: str) -> None:
    """Put the rows of a snapshot into a database without tables, and bring it to the newest revision."""
    upgrade(connection, revision)
    tables = {table.name: table for table in _tables(connection)}
    for table in reversed(tables.values()):
        # A migration may have put rows of its own there.
        connection.execute(table.delete())
    for name, columns, rows in _batches(snapshot):
        table = tables[name]
        dates = {column.name for column in table.columns if isinstance(column.type, DateTime)}
        values = [
            {
                column: datetime.fromisoformat(value) if column in dates and value is not None else value
                for column, value in zip(columns, row, strict=True)
            }
            for row in rows
        ]
        connection.execute(insert(table), values)
    if connection.dialect.name == "postgresql":
        _continue_numbers(connection, tables.values())
    upgrade(connection, "head")


def _continue_numbers(connection: Connection, tables: Any) -> None:
    """New rows get numbers after those that were put in."""
    for table in tables:
        if "id" not in table.columns:
            continue
        name = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
        newest = connection.scalar(select(func.max(table.columns["id"]))) if name else None
        if newest is not None:
            connection.execute(select(func.setval(name, newest)))


def _batches(snapshot: Path) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    if snapshot.name == SQLITE:
        engine = create_engine(URL.create("sqlite", database=str(snapshot)))
        with engine.connect() as connection:
            yield from _gathered(_lines(connection))
        engine.dispose()
    else:
        with snapshot.open(encoding="utf-8") as file:
            yield from _gathered(json.loads(line) for line in file)


def _gathered(lines: Iterator[Any]) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    name, columns = "", list[str]()
    rows: list[list[Any]] = []
    for line in lines:
        if isinstance(line, dict) or len(rows) == _BATCH:
            if rows:
                yield name, columns, rows
            rows = []
        if isinstance(line, dict):
            name, columns = line["table"], line["columns"]
        else:
            rows.append(line)
    if rows:
        yield name, columns, rows


def is_empty(connection: Connection) -> bool:
    """Whether there are no tables yet."""
    return not inspect(connection).get_table_names()


def set_aside(connection: Connection, name: str) -> None:
    """Keep all tables of a PostgreSQL database under another schema's name, and begin with an empty schema."""
    schema = inspect(connection).default_schema_name
    quote = connection.dialect.identifier_preparer.quote
    assert schema is not None
    connection.execute(text(f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(name)}"))
    connection.execute(text(f"CREATE SCHEMA {quote(schema)}"))
