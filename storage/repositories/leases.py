"""Leases: what one process of the bot at a time may do, on the clock of the database.

A process says every few seconds that it lives. What a process held that has not said so for too long is free.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    delete,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Lease, Replica

_FORGOTTEN = 86_400.0  # seconds after which a process that died is no more listed


class LeaseLost(Exception):
    """Another process does this now: whatever was about to be stored must not be."""


class Hold(Enum):
    """What asking for a lease gave: it was held already, it was free, or another process has it."""

    HELD = "held"
    TAKEN = "taken"
    ELSEWHERE = "elsewhere"


def _clock(session: AsyncSession, later: float = 0.0) -> ColumnElement[datetime]:
    """The time that all processes agree on, so many seconds later. SQLite has one process, so any clock will do."""
    if _is_postgres(session):
        return literal_column(f"clock_timestamp() + interval '{float(later)} seconds'", Replica.until.type)
    return literal(now() + timedelta(seconds=later), Replica.until.type)


def _is_postgres(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "postgresql"


async def enlist(session: AsyncSession, replica: str, seconds: float) -> None:
    """A process begins. What one of the same id held is free: two never live at once."""
    await session.execute(delete(Lease).where(Lease.owner == replica))
    await session.execute(delete(Replica).where(Replica.id == replica))
    await session.execute(delete(Replica).where(Replica.until < _clock(session, -_FORGOTTEN)))
    values = {"id": replica, "started_at": _clock(session), "until": _clock(session, seconds)}
    insert = postgresql.insert if _is_postgres(session) else sqlite.insert
    await session.execute(insert(Replica).values(values))


async def renew(session: AsyncSession, replica: str, seconds: float) -> bool:
    """It lives for so long at least. False if it was given up meanwhile: it holds nothing any more."""
    row = await session.scalar(
        select(Replica.id).where(Replica.id == replica, Replica.until > _clock(session)).with_for_update()
    )
    if row is None:
        return False
    await session.execute(update(Replica).where(Replica.id == replica).values(until=_clock(session, seconds)))
    return True


async def retire(session: AsyncSession, replica: str) -> None:
    """A process ends: what it held is free at once."""
    await session.execute(delete(Lease).where(Lease.owner == replica))
    await session.execute(delete(Replica).where(Replica.id == replica))


async def alive(session: AsyncSession) -> int:
    """How many processes live."""
    query = select(func.count()).select_from(Replica).where(Replica.until > _clock(session))
    return await session.scalar(query) or 0


def living(session: AsyncSession) -> Select[str]:
    """The processes that live."""
    return select(Replica.id).where(Replica.until > _clock(session))


async def take(session: AsyncSession, name: str, replica: str) -> Hold:
    """Take a lease that is free, or whose owner lives no more."""
    if await session.scalar(select(Lease.owner).where(Lease.name == name)) == replica:
        return Hold.HELD
    insert = postgresql.insert if _is_postgres(session) else sqlite.insert
    fresh = insert(Lease).values(name=name, owner=replica, taken_at=_clock(session))
    # As a plain column: SQLAlchemy would have the subquery look through the whole table for an owner that lives.
    owner_now = literal_column("leases.owner", Lease.owner.type)
    dead = ~exists().where(Replica.id == owner_now, Replica.until > _clock(session))
    statement = fresh.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"owner": fresh.excluded.owner, "taken_at": fresh.excluded.taken_at},
        where=dead,
    ).returning(Lease.owner)
    taken = (await session.execute(statement)).scalar()
    return Hold.TAKEN if taken == replica else Hold.ELSEWHERE


async def release(session: AsyncSession, names: Collection[str], replica: str) -> None:
    """Give some back; one that is not held is no error."""
    await session.execute(delete(Lease).where(Lease.name.in_(names), Lease.owner == replica))


async def guard(session: AsyncSession, name: str, replica: str) -> None:
    """Make sure that what this transaction stores is still this process's to store. Raises :class:`LeaseLost`."""
    query = select(Lease.name).where(Lease.name == name, Lease.owner == replica)
    if await session.scalar(query.with_for_update(read=True)) is None:
        raise LeaseLost(name)


def held_elsewhere(session: AsyncSession, name: ColumnElement[str], replica: str) -> ColumnElement[bool]:
    """Whether the lease of a name that a query computes is another living process's."""
    return exists().where(
        Lease.name == name,
        Lease.owner != replica,
        Lease.owner == Replica.id,
        Replica.until > _clock(session),
    )


def chat_lease(platform: str, chat: str) -> str:
    """The name of the lease on a chat's work."""
    return f"chat:{platform}:{chat}"


def chat_lease_of(platform: SQLColumnExpression[str], chat: SQLColumnExpression[str]) -> ColumnElement[str]:
    """The same for the columns of a query."""
    return literal("chat:") + platform + literal(":") + chat
