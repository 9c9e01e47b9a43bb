"""Backups: the database, the files and the trainings' folders in one archive, made while the bot runs, and put back.

What can be made again (converted bases, tokenizers) is not in it, nor are settings: ``.env`` holds tokens.
"""

import asyncio
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.services.access import Member
from bot.version import version
from storage import snapshot
from storage.archive import BadArchive, Packer, unpack
from storage.clock import now
from storage.database import Database
from storage.files import digest_of
from storage.repositories import audit, restored
from storage.repositories.audit import Act

_FORMAT = 1
# Immutable or made once: what lies there and what comes from an archive go together.
_FOLDERS = ("files", "splits", "jobs")
_ON_THE_WAY = (".part", ".partial", ".tmp")
_RESULT = "result.json"


@dataclass(frozen=True, slots=True)
class Made:
    """An archive: where it lies, its size in bytes, and how many files are in it besides the database."""

    path: Path
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class PutBack:
    """What a restore did. ``aside``: where what was there lies now, if anything was."""

    made_at: datetime
    files: int
    aside: str | None


def file_name() -> str:
    """What an archive is called unless told otherwise."""
    return f"tuneteller-{now():%Y%m%d-%H%M%S}.tar"


class Backup:
    """Makes archives of one installation."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir

    @property
    def folder(self) -> Path:
        """Where archives lie unless told otherwise."""
        return self._data_dir / "backups"

    async def make(self, target: Path | None = None, by: Member | None = None) -> Made:
        """Write an archive, for a person or for whoever has this machine. Raises ``UserError``, or ``DatabaseProblem``
        if the database cannot be read.

        The database comes first: files are stored before the rows that name them, so every file that the snapshot
        names is there when files are packed after it.
        """
        archive = target or self.folder / file_name()
        if archive.exists():
            raise UserError("backup_exists", file=str(archive))
        if self._database.is_sqlite and not Path(self._database.url.database or "").is_file():
            raise UserError("backup_nothing", folder=str(self._data_dir))
        try:
            await asyncio.to_thread(archive.parent.mkdir, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-", suffix=".part") as work:
                file, revision = await snapshot.take(self._database, Path(work))
                count = await asyncio.to_thread(self._pack, archive, file, revision)
            if by is not None:
                async with self._database.transaction() as session:
                    await audit.record(session, Act.BACKUP, by.id, file=archive.name)
            return Made(archive, archive.stat().st_size, count)
        except OSError as error:
            raise UserError("backup_unwritable", file=str(archive), reason=error.strerror or "?") from error

    def _pack(self, archive: Path, file: Path, revision: str) -> int:
        facts = {
            "format": _FORMAT,
            "made_at": now().isoformat(),
            "version": version(),
            "database": file.name,
            "revision": revision,
        }
        with Packer(archive, facts) as packer:
            packer.add(file.name, file)
            for path in self._files():
                packer.add(path.relative_to(self._data_dir).as_posix(), path)
            return packer.count - 1

    def _files(self) -> Iterator[Path]:
        for name in ("files", "splits"):
            yield from _walk(self._data_dir / name)
        jobs = self._data_dir / "jobs"
        for job in sorted(jobs.iterdir()) if jobs.is_dir() else ():
            # A result is written when all that it names is there: packed first, it never names what is not packed.
            result = job / _RESULT
            if result.is_file():
                yield result
            yield from (path for path in _walk(job) if path != result)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        parts = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and not any(part.endswith(_ON_THE_WAY) for part in parts):
            yield path


async def restore(
    archive: Path, database: Database, data_dir: Path, *, force: bool = False, own: Collection[str] = ()
) -> PutBack:
    """Put an archive back. The caller holds the data folder's lock.

    Nothing is changed until every byte was checked. With ``force`` a database that is there is kept under another
    name. Files go together: they are named by their content. Folders of trainings that are there stay as they are,
    for they know what was started since the backup. ``own``: see :func:`storage.repositories.restored.settle`.

    Raises ``UserError``, or ``DatabaseProblem`` if the database does not take it.
    """
    if not archive.is_file():
        raise UserError("file_missing", file=str(archive))
    if not force and await _in_use(database, data_dir):
        raise UserError("restore_not_empty", folder=str(data_dir))
    try:
        with _staging(data_dir) as staging:
            return await _put_back(archive, database, data_dir, staging, own)
    except BadArchive as error:
        raise UserError(f"archive_{error.code}", file=str(archive), name=error.name) from error
    except OSError as error:
        raise UserError("restore_failed", folder=str(data_dir), reason=error.strerror or "?") from error


@contextmanager
def _staging(data_dir: Path) -> Iterator[Path]:
    """A folder on the same file system, so that everything is moved by renaming."""
    folder = data_dir / f"restoring-{secrets.token_hex(4)}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _put_back(archive: Path, database: Database, data_dir: Path, staging: Path, own: Collection[str]) -> PutBack:
    facts = await asyncio.to_thread(unpack, archive, staging)
    file, revision = staging / str(facts.get("database")), str(facts.get("revision"))
    if facts.get("format") != _FORMAT or not file.is_file():
        raise BadArchive("unknown", archive.name)
    if not snapshot.knows(revision):
        raise UserError("restore_newer", version=str(facts.get("version")), ours=version())
    name = f"before-restore-{now():%Y%m%d-%H%M%S}"
    aside = data_dir / name
    if database.is_sqlite:
        await _prepare(file, revision, own)
    count = await asyncio.to_thread(_place_files, data_dir, staging, aside)
    if database.is_sqlite:
        kept = await asyncio.to_thread(_replace, database, staging / snapshot.SQLITE, name)
        where = str(kept) if kept else None
    else:
        schema = name.replace("-", "_")
        where = f"{schema} (PostgreSQL)" if await _load(database, file, revision, schema, own) else None
    if where is None and aside.exists():
        where = str(aside)
    return PutBack(datetime.fromisoformat(facts["made_at"]), count, where)


async def _in_use(database: Database, data_dir: Path) -> bool:
    """Whether there is something that a restore would have to go around."""
    if any(path.is_file() for name in _FOLDERS for path in (data_dir / name).rglob("*")):
        return True
    if database.is_sqlite:
        return Path(database.url.database or "").exists()
    async with database.connection() as connection:
        return not await connection.run_sync(snapshot.is_empty)


async def _prepare(file: Path, revision: str, own: Collection[str]) -> None:
    """Make the staged snapshot a SQLite database that can be gone on with, whole in one file."""
    target = file.with_name(snapshot.SQLITE)
    staged = Database(f"sqlite:///{target}")
    try:
        if file != target:
            async with staged.connection() as connection:
                await connection.run_sync(snapshot.load, file, revision)
        await staged.migrate()
        async with staged.transaction() as session:
            await restored.settle(session, own)
    finally:
        await staged.close()
    await asyncio.to_thread(_whole, target)


def _whole(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BadArchive("damaged", file.name)
        connection.execute("PRAGMA journal_mode=DELETE")


async def _load(database: Database, file: Path, revision: str, schema: str, own: Collection[str]) -> bool:
    """Put the rows into PostgreSQL, all or none. True if a schema was set aside for them."""
    async with database.connection(lock=True) as connection:
        full = not await connection.run_sync(snapshot.is_empty)
        if full:
            await connection.run_sync(snapshot.set_aside, schema)
        await connection.run_sync(snapshot.load, file, revision)
        async with AsyncSession(bind=connection) as session:
            await restored.settle(session, own)
            await session.flush()
    return full


def _place_files(data_dir: Path, staging: Path, aside: Path) -> int:
    """Move what was unpacked to its place; returns how many files. What differs there is kept under ``aside``."""
    count = 0
    for name in ("files", "splits"):
        for path in _walk(staging / name):
            place = path.relative_to(staging)
            _place_file(path, data_dir / place, aside / place)
            count += 1
    jobs = staging / "jobs"
    for folder in sorted(jobs.iterdir()) if jobs.is_dir() else ():
        target = data_dir / "jobs" / folder.name
        if not target.exists():
            count += sum(1 for _ in _walk(folder))
            target.parent.mkdir(parents=True, exist_ok=True)
            # In one move: half a folder would be taken for a training that was started.
            folder.rename(target)
    return count


def _place_file(source: Path, target: Path, aside: Path) -> None:
    if target.is_file():
        if digest_of(target) == digest_of(source):
            return
        aside.parent.mkdir(parents=True, exist_ok=True)
        target.rename(aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _replace(database: Database, file: Path, aside: str) -> Path | None:
    """Put the database in place in one move; returns where the one that was there is kept, if there was one."""
    living = Path(database.url.database or "").absolute()
    living.parent.mkdir(parents=True, exist_ok=True)
    kept = living.parent / aside if living.exists() else None
    if kept is not None:
        kept.mkdir(exist_ok=True)
        # What stands in its journal goes into the file; a broken one is kept with its journal as it is.
        with suppress(sqlite3.Error), closing(sqlite3.connect(living)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.link(living, kept / living.name)
        for journal in (living.with_name(f"{living.name}-wal"), living.with_name(f"{living.name}-shm")):
            if journal.exists():
                journal.rename(kept / journal.name)
    # The database may lie on another disk than the data folder.
    part = living.with_name(f"{living.name}.restoring")
    shutil.move(file, part)
    part.replace(living)
    return kept
