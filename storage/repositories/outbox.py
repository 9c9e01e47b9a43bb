"""The outbox: what people must be shown, stored with the fact that it tells."""

from datetime import datetime

from sqlalchemy import func, select, update
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


async def claim(session: AsyncSession, limit: int) -> list[OutboxRow]:
    """Take due entries for sending, oldest first; they are ``sending`` from now on."""
    query = select(OutboxRow).where(OutboxRow.state == "pending", OutboxRow.due_at <= now())
    rows = list(await session.scalars(query.order_by(OutboxRow.id).limit(limit).with_for_update(skip_locked=True)))
    for row in rows:
        row.state = "sending"
        row.attempts += 1
    await session.flush()
    return rows


async def settle(session: AsyncSession, row_id: int, state: str, message: str | None = None) -> None:
    """Store how sending went: sent, unknown or failed."""
    values: dict[str, object] = {"state": state, "sent_at": now() if state == "sent" else None}
    if message is not None:
        values["message"] = message
    await session.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(**values))


async def postpone(session: AsyncSession, row_id: int, due_at: datetime) -> None:
    """Surely not sent: try again later."""
    await session.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(state="pending", due_at=due_at))


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
