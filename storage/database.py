"""The database: engine, transactions, migrations at start.

On SQLite every transaction that may write is ``BEGIN IMMEDIATE``: with SQLAlchemy's defaults, read-modify-write
transactions lose updates without an error. ``synchronous=FULL`` keeps the last commit through a loss of power.
"""

import asyncio
import logging
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Dialect, event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from storage.line import Line
from storage.types import storable

_MIGRATION_LOCK = 7_213_042_611
_PRAGMA_TRIES, _PRAGMA_PAUSE = 100, 0.02  # seconds
# A connection that lay idle for longer is asked whether it lives before it is used: that costs three round trips.
_IDLE_SECONDS = 1.0
# So many connections stay open; so many read at once on SQLite.
_KEPT = 5
_READERS = 6
# A task that is cancelled while it commits waits so long at most to learn what became of that.
_COMMIT_SECONDS = 5.0
# What is not to be stored needs no answer for that: a connection that gives none is dropped, and the server rolls back.
_ROLLBACK_SECONDS, _CLOSE_SECONDS = 2.0, 2.0
# A network that swallows everything tells nobody for a quarter of an hour.
_CONNECT_SECONDS, _STATEMENT_SECONDS = 10.0, 20.0
# SQLite's statements run in threads. Each of a batch gives Python's lock up and needs it again; as long as everything
# else is busy it waits for this (Python's own is ten times as long: 300 rows took seconds).
_SWITCH_SECONDS = 0.0005
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between tries while the database is away
# What PostgreSQL says while it cannot serve: a standby that only reads, no more connections or memory or disk, it is
# shut down, cancelled or starting (appendix A of its manual, classes 25006, 53 and 57).
_STATES = ("25006", "53", "57")

log = logging.getLogger(__name__)

T = TypeVar("T")
_PRAGMAS = ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class DatabaseProblem(Exception):
    """The database cannot be opened or migrated. The message names the database, never its password."""


class DatabaseAway(ConnectionError):
    """No connection can be made now."""


def away(error: BaseException) -> bool:
    """Whether an error only says that the database cannot be reached now (it restarts, the network is cut)."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            return True
        return str(getattr(error.orig, "sqlstate", None) or "").startswith(_STATES)
    # No connection became free in time: it is overburdened.
    if isinstance(error, PoolTimeout):
        return True
    # The driver's own: a server that is starting up, a peer that is gone.
    return isinstance(error, DatabaseAway) or type(error).__module__.partition(".")[0] == "asyncpg"


async def until_there(call: Callable[[], Awaitable[T]], what: str) -> T:
    """Call until the database is there, however long that takes. ``what`` is for the log. Other errors are raised."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await call()
        except Exception as error:
            if not away(error):
                raise
            log.warning("%s waits for the database (%s)", what, type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)


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


class _Ending(sqlite3.Connection):
    """A connection that leaves no transaction behind when it is closed.

    A cancelled statement's traceback may hold a cursor, and SQLite keeps a closed connection alive for a cursor: with
    its transaction, and so with everybody's lock for writing.
    """

    def close(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it is closed already
            if self.in_transaction:
                self.rollback()
        super().close()


def _sqlite_engine(url: URL, *, reads: bool = False, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(url, hide_parameters=True, connect_args={"factory": _Ending}, **pool)
    _tune_sqlite(engine, reads=reads)
    return engine


def _tune_sqlite(engine: AsyncEngine, *, reads: bool = False) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver
        cursor = connection.cursor()
        for pragma in (*_PRAGMAS, "query_only=ON") if reads else _PRAGMAS:
            _set(cursor, pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _tell_outages(engine: AsyncEngine) -> None:
    """A server that is not there is told apart from any other file or network that fails."""

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Dialect, _record: object, arguments: Any, named: Any) -> Any:
        try:
            return dialect.connect(*arguments, **named)
        except Exception as error:
            # Refused, reset, a server that is starting up, one that lets nobody in: the driver has a class for each.
            raise DatabaseAway(str(error) or type(error).__name__) from error


def _no_answer(engine: AsyncEngine) -> None:
    """A statement that was waited for in vain: nothing is to be expected of its connection, nor of the others."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            context.is_disconnect = True
            raise DatabaseAway("no answer in time") from context.original_exception


def _ping_idle(engine: AsyncEngine) -> None:
    """Whoever gets a connection that lay idle gets one that lives. In the midst of work no round trip is lost on that;
    a server that restarts then fails what it would have failed a moment later.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def laid_down(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError("it was closed meanwhile")
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < _IDLE_SECONDS:
            return
        try:
            engine.sync_engine.dialect.do_ping(connection)
        except Exception as error:
            # The pool makes a new one, as it would without this.
            raise DisconnectionError from error


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
    """One database, by at most so many ``connections`` (PostgreSQL). Transactions are short: nothing that waits for a
    network happens inside of one, and a statement that takes so many ``seconds`` counts as an outage.
    """

    def __init__(self, url: str | URL, *, connections: int = 15, seconds: float = _STATEMENT_SECONDS) -> None:
        self.url = database_url(url) if isinstance(url, str) else url
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            assert self.url.database is not None
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            sys.setswitchinterval(min(_SWITCH_SECONDS, sys.getswitchinterval()))
        self._open: WeakSet[Any] = WeakSet()
        # Parameters are people's words: they must not stand in an error that is logged.
        if self.is_sqlite:
            self._engine = self._whole = _sqlite_engine(self.url)
        else:
            kept = min(_KEPT, connections)
            self._engine = create_async_engine(
                self.url,
                pool_size=kept,
                max_overflow=connections - kept,
                hide_parameters=True,
                connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": seconds},
            )
            _no_answer(self._engine)
            _ping_idle(self._engine)
            # What concerns whole tables takes as long as it takes.
            self._whole = create_async_engine(
                self.url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": _CONNECT_SECONDS}
            )
            for engine in (self._engine, self._whole):
                _tell_outages(engine)
                event.listen(engine.sync_engine, "connect", self._opened)
        self._readers = self._engine
        if self.is_sqlite:
            # Each has a thread, which is made once.
            self._readers = _sqlite_engine(self.url, reads=True, pool_size=_READERS, max_overflow=0)
        # SQLite lets one transaction write at a time, and whoever finds it busy looks again at random: with many at
        # once somebody waits for ever. Taking turns is fair, and quicker.
        self._line = Line() if self.is_sqlite else None
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._readings = async_sessionmaker(self._readers, expire_on_commit=False)

    def _opened(self, connection: Any, _record: object) -> None:
        self._open.add(connection.driver_connection)

    @asynccontextmanager
    async def transaction(self, *, urgent: bool = False) -> AsyncIterator[AsyncSession]:
        """A session whose changes are all stored at the end, or none of them.

        ``urgent``: before others that wait for their turn to write (on SQLite; nobody waits for one on PostgreSQL).

        A cancelled task still ends its commit, within :data:`_COMMIT_SECONDS`: whether something was stored must not
        be unclear, but a network that swallows it must hold up nobody.
        """
        turn = nullcontext() if self._line is None else self._line.turn(urgent=urgent)
        async with turn, self._ended(self._sessions()) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads. On SQLite it waits for nobody who writes, sees one state of the database, and a
        change fails there; on PostgreSQL it is a transaction like others.
        """
        async with self._ended(self._readings()) as session:
            yield session

    @asynccontextmanager
    async def _ended(self, session: AsyncSession) -> AsyncIterator[AsyncSession]:
        try:
            yield session
        except BaseException:
            await _roll_back(session, None if self.is_sqlite else _ROLLBACK_SECONDS)
            raise
        else:
            ending = asyncio.ensure_future(_commit_and_close(session))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                ending.add_done_callback(_seen)
                await asyncio.wait([ending], timeout=_COMMIT_SECONDS)
                raise

    @asynccontextmanager
    async def connection(self, *, isolation: str | None = None, lock: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection in one transaction, for what concerns whole tables. Raises :class:`DatabaseProblem`.

        ``lock``: alone with whoever else migrates (on SQLite everybody who writes is alone).
        """
        try:
            async with self._whole.connect() as connection:
                if isolation is not None:
                    await connection.execution_options(isolation_level=isolation)
                async with connection.begin():
                    if lock and not self.is_sqlite:
                        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                    yield connection
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseProblem(f"{self.url.render_as_string()}: {_reason(error)}") from error

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Any]:
        """A connection of PostgreSQL's own driver (asyncpg), outside of any transaction; closed at the end."""
        async with self._whole.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            raw = await connection.get_raw_connection()
            try:
                yield raw.driver_connection
            finally:
                # A farewell is waited for without end; this is bounded.
                await connection.invalidate()

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
        """End all connections."""
        # One by one, as the pools close them, a server that gives no answer would take its time for each.
        await asyncio.gather(*(each.close(timeout=_CLOSE_SECONDS) for each in self._open), return_exceptions=True)
        for engine in (self._engine, self._readers, self._whole):
            await engine.dispose()


async def _roll_back(session: AsyncSession, seconds: float | None) -> None:
    """Let it end though this task was cancelled, but for so long at most."""
    ending = asyncio.ensure_future(_roll_back_and_close(session))
    ending.add_done_callback(_seen)
    await asyncio.wait([ending], timeout=seconds)
    if ending.done():
        await ending
    else:
        ending.cancel()


def _seen(task: asyncio.Future[None]) -> None:
    if task.cancelled():
        log.warning("a connection to the database was dropped: it gave no answer")
    elif (error := task.exception()) is not None:
        log.warning("the end of a transaction failed (%s)", type(error).__name__)


async def _roll_back_and_close(session: AsyncSession) -> None:
    try:
        await session.rollback()
    finally:
        await session.close()


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
