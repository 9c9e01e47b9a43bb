"""Small facts of the installation itself."""

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
    """The fact as first stored: ``value`` only if there was none."""
    found = await get(session, name)
    if found is None:
        await put(session, name, value)
        return value
    return found
