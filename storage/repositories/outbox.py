"""The outbox: what people must be shown, stored with the fact that it tells."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import OutboxRow


async def add(session: AsyncSession, row: OutboxRow) -> bool:
    """Store an entry; the same key again changes nothing and gives False."""
    if await session.scalar(select(OutboxRow.id).where(OutboxRow.key == row.key)) is not None:
        return False
    session.add(row)
    await session.flush()
    return True


async def due(session: AsyncSession, limit: int, without: Collection[int] = ()) -> list[OutboxRow]:
    """Entries whose time has come, oldest first, without those that the caller has in hand."""
    query = select(OutboxRow).where(OutboxRow.state == "pending", OutboxRow.due_at <= now())
    if without:
        query = query.where(OutboxRow.id.not_in(without))
    return list(await session.scalars(query.order_by(OutboxRow.id).limit(limit)))


async def begin(session: AsyncSession, row_id: int) -> bool:
    """The attempt begins now: ``sending`` until its outcome is stored. False if somebody else has begun it."""
    result = await session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == row_id, OutboxRow.state == "pending")
        .values(state="sending", attempts=OutboxRow.attempts + 1)
        .returning(OutboxRow.id)
    )
    return result.scalar() is not None


async def settle(session: AsyncSession, row_id: int, state: str, message: str | None = None) -> None:
    """Store how sending went: sent, unknown or failed."""
    values: dict[str, object] = {"state": state, "sent_at": now() if state == "sent" else None}
    if message is not None:
        values["message"] = message
    await session.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(**values))


async def postpone(session: AsyncSession, row_id: int, due_at: datetime) -> None:
    """Surely not sent: try again later."""
    await session.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(state="pending", due_at=due_at))


async def hold(session: AsyncSession, row: OutboxRow) -> None:
    """Keep a place for a push that may have been sent already; where there is one of the same key, that stays."""
    row.state = "held"
    await add(session, row)


async def held(session: AsyncSession) -> set[str]:
    """The keys of all such places."""
    return set(await session.scalars(select(OutboxRow.key).where(OutboxRow.state == "held")))


async def release(session: AsyncSession, key: str) -> None:
    """It cannot have been sent: the fact that it tells has not come yet."""
    await session.execute(delete(OutboxRow).where(OutboxRow.key == key, OutboxRow.state == "held"))


async def doubt(session: AsyncSession, key: str) -> bool:
    """It may have been sent, so it is not sent now. False if no place was kept for it."""
    result = await session.execute(
        update(OutboxRow)
        .where(OutboxRow.key == key, OutboxRow.state == "held")
        .values(state="unknown")
        .returning(OutboxRow.id)
    )
    return result.scalar() is not None


async def withdraw(session: AsyncSession, key: str) -> None:
    """What it tells is no longer so: it is neither sent nor told later."""
    open_states = ("pending", "unknown", "held")
    await session.execute(
        update(OutboxRow).where(OutboxRow.key == key, OutboxRow.state.in_(open_states)).values(state="withdrawn")
    )


async def left_sending(session: AsyncSession) -> list[OutboxRow]:
    """What a dead process was sending: whether the platform took it is not known."""
    return list(await session.scalars(select(OutboxRow).where(OutboxRow.state == "sending").order_by(OutboxRow.id)))


async def pending(session: AsyncSession) -> int:
    """How many wait."""
    return await session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.state == "pending")) or 0


async def unseen(session: AsyncSession, platform: str, chat: str) -> list[OutboxRow]:
    """Pushes to a chat whose arrival is not known and that were not told since."""
    query = select(OutboxRow).where(
        OutboxRow.state == "unknown",
        OutboxRow.kind == "push",
        OutboxRow.platform == platform,
        OutboxRow.chat == chat,
    )
    return list(await session.scalars(query.order_by(OutboxRow.id)))
