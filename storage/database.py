"""The database: engine, transactions, migrations at start.

On SQLite every transaction is ``BEGIN IMMEDIATE``: with SQLAlchemy's defaults, read-modify-write transactions lose
updates without an error. ``synchronous=FULL`` keeps the last commit through a loss of power.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from storage.types import storable

_MIGRATION_LOCK = 7_213_042_611
_PRAGMA_TRIES, _PRAGMA_PAUSE = 100, 0.02  # seconds
_PRAGMAS = ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class DatabaseProblem(Exception):
    """The database cannot be opened or migrated. The message names the database, never its password."""


def database_url(value: str) -> URL:
    """The URL with the async driver that is used for it. Raises ``ValueError`` for anything else."""
    url = make_url(value)
    if url.drivername in ("sqlite", "sqlite+aiosqlite"):
        if not url.database or url.database == ":memory:":
            raise ValueError("sqlite needs a file")
        return url.set(drivername="sqlite+aiosqlite")
    if url.drivername in ("postgres", "postgresql", "postgresql+asyncpg"):
        return url.set(drivername="postgresql+asyncpg")
    raise ValueError(url.drivername)


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            _set(cursor, pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set(cursor: Any, pragma: str) -> None:
    """Set a pragma. Two processes that make one file's first journal at once are not made to wait by SQLite itself."""
    for _ in range(_PRAGMA_TRIES):
        try:
            cursor.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(_PRAGMA_PAUSE)
        else:
            return
    cursor.execute(f"PRAGMA {pragma}")


class Database:
    """One database. Transactions are short: nothing that waits for a network happens inside of one."""

    def __init__(self, url: str | URL) -> None:
        self.url = database_url(url) if isinstance(url, str) else url
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            assert self.url.database is not None
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # Parameters are people's words: they must not stand in an error that is logged.
        self._engine = create_async_engine(self.url, pool_pre_ping=not self.is_sqlite, hide_parameters=True)
        if self.is_sqlite:
            _tune_sqlite(self._engine)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are all stored at the end, or none of them.

        A cancelled task still ends its commit: whether something was stored must never be unclear.
        """
        session = self._sessions()
        try:
            yield session
        except BaseException:
            await asyncio.shield(session.rollback())
            await asyncio.shield(session.close())
            raise
        else:
            ending = asyncio.ensure_future(_commit_and_close(session))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                await ending
                raise

    @asynccontextmanager
    async def connection(self, *, isolation: str | None = None, lock: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection in one transaction, for what concerns whole tables. Raises :class:`DatabaseProblem`.

        ``lock``: alone with whoever else migrates (on SQLite every transaction is alone).
        """
        try:
            async with self._engine.connect() as connection:
                if isolation is not None:
                    await connection.execution_options(isolation_level=isolation)
                async with connection.begin():
                    if lock and not self.is_sqlite:
                        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                    yield connection
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseProblem(f"{self.url.render_as_string()}: {_reason(error)}") from error

    async def migrate(self) -> None:
        """Bring the schema to the newest revision, under a lock. Raises :class:`DatabaseProblem`."""
        async with self.connection(lock=True) as connection:
            await connection.run_sync(upgrade)

    async def writable(self) -> bool:
        """Whether a transaction that writes can be made now."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(text("UPDATE settings SET value = value WHERE name = ''"))
        except (SQLAlchemyError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()


async def _commit_and_close(session: AsyncSession) -> None:
    try:
        await session.commit()
    finally:
        await session.close()


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return storable(str(cause)).splitlines()[0][:200] if str(cause) else type(cause).__name__


def alembic_config() -> Config:
    """The configuration of the migrations, which lie beside this module."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to a revision, on this connection and in its transaction."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
