"""Small facts of the installation itself."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import Setting


async def get(session: AsyncSession, name: str) -> str | None:
    """A fact, if it was ever stored."""
    row = await session.get(Setting, name)
    return row.value if row else None


async def put(session: AsyncSession, name: str, value: str) -> None:
    """Store a fact."""
    await session.merge(Setting(name=name, value=value))


async def first(session: AsyncSession, name: str, value: str) -> str:
    """The fact as first stored: ``value`` only if there was none. Of two that come at once, both get the same."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    await session.execute(insert(Setting).values(name=name, value=value).on_conflict_do_nothing())
    found = await get(session, name)
    assert found is not None
    return found
