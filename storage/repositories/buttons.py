"""What buttons do."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import ButtonRow


async def keep(session: AsyncSession, rows: Iterable[dict[str, Any]]) -> None:
    """Store buttons; a token that is here already means the same button."""
    values = [{**row, "created_at": now()} for row in rows]
    if not values:
        return
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    await session.execute(insert(ButtonRow).values(values).on_conflict_do_nothing())


async def get(session: AsyncSession, token: str) -> ButtonRow | None:
    """By token."""
    return await session.get(ButtonRow, token)


async def use(session: AsyncSession, token: str) -> bool:
    """Use a one-time button; False if it was used before."""
    result = await session.execute(
        update(ButtonRow)
        .where(ButtonRow.token == token, ButtonRow.used_at.is_(None))
        .values(used_at=now())
        .returning(ButtonRow.token)
    )
    return result.scalar() is not None


async def sweep(session: AsyncSession, before: datetime) -> None:
    """Forget old buttons: pressing one says that it is too old."""
    await session.execute(delete(ButtonRow).where(ButtonRow.created_at < before))
