"""The outbox: what people must be shown, stored with the fact that it tells."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import leases
from storage.tables import OutboxRow


async def add(session: AsyncSession, row: OutboxRow) -> bool:
    """Store an entry; the same key again (from another process, too) changes nothing and gives False."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    given = {column.name: getattr(row, column.name) for column in OutboxRow.__table__.columns}
    values = {name: value for name, value in given.items() if value is not None}
    added = await session.scalar(insert(OutboxRow).values(values).on_conflict_do_nothing().returning(OutboxRow.id))
    if added is None:
        return False
    row.id = added
    return True


async def of(session: AsyncSession, key: str) -> OutboxRow | None:
    """The entry with this key."""
    return await session.scalar(select(OutboxRow).where(OutboxRow.key == key))


async def about(session: AsyncSession, key: str) -> list[OutboxRow]:
    """Entries whose keys begin so."""
    query = select(OutboxRow).where(OutboxRow.key.startswith(key, autoescape=True))
    return list(await session.scalars(query.order_by(OutboxRow.id)))


async def due(session: AsyncSession, limit: int, replica: str = "", without: Collection[int] = ()) -> list[OutboxRow]:
    """Entries whose time has come, oldest first, without those that the caller has in hand and without those for
    chats that another living process has.
    """
    elsewhere = leases.held_elsewhere(session, leases.chat_lease_of(OutboxRow.platform, OutboxRow.chat), replica)
    query = select(OutboxRow).where(OutboxRow.state == "pending", OutboxRow.due_at <= now(), ~elsewhere)
    if without:
        query = query.where(OutboxRow.id.not_in(without))
    return list(await session.scalars(query.order_by(OutboxRow.id).limit(limit)))


async def begin(session: AsyncSession, row_id: int) -> bool:
    """The attempt begins now (``due_at`` tells when): ``sending`` until its outcome is stored.

    False if somebody else has begun it.
    """
    result = await session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == row_id, OutboxRow.state == "pending")
        .values(state="sending", attempts=OutboxRow.attempts + 1, due_at=now())
        .returning(OutboxRow.id)
    )
    return result.scalar() is not None


async def count_attempt(session: AsyncSession, row_id: int) -> int:
    """One more attempt was made; returns how many there were."""
    counted = update(OutboxRow).where(OutboxRow.id == row_id).values(attempts=OutboxRow.attempts + 1)
    return (await session.execute(counted.returning(OutboxRow.attempts))).scalar_one()


async def settle(session: AsyncSession, row_id: int, state: str, message: str | None = None) -> None:
    """Store how sending went: sent, unknown or failed. What is known to be sent stays so."""
    values: dict[str, object] = {"state": state, "sent_at": now() if state == "sent" else None}
    if message is not None:
        values["message"] = message
    await session.execute(update(OutboxRow).where(OutboxRow.id == row_id, OutboxRow.state != "sent").values(**values))


async def postpone(session: AsyncSession, row_id: int, due_at: datetime) -> None:
    """Surely not sent: try again later. What was withdrawn, or given up as unknown, stays so."""
    open_row = (OutboxRow.id == row_id) & OutboxRow.state.in_(("pending", "sending"))
    await session.execute(update(OutboxRow).where(open_row).values(state="pending", due_at=due_at))


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


async def left_sending(session: AsyncSession, platform: str, chat: str) -> list[OutboxRow]:
    """What a dead process was sending to a chat: whether the platform took it is not known."""
    query = select(OutboxRow).where(
        OutboxRow.state == "sending", OutboxRow.platform == platform, OutboxRow.chat == chat
    )
    return list(await session.scalars(query.order_by(OutboxRow.id)))


async def chats_sending(session: AsyncSession, replica: str) -> set[tuple[str, str]]:
    """(platform, chat) to which something was being sent, but for those that another living process has."""
    elsewhere = leases.held_elsewhere(session, leases.chat_lease_of(OutboxRow.platform, OutboxRow.chat), replica)
    query = select(OutboxRow.platform, OutboxRow.chat).where(OutboxRow.state == "sending", ~elsewhere)
    return {(platform, chat) for platform, chat in await session.execute(query.distinct())}


async def pending(session: AsyncSession) -> int:
    """How many wait."""
    return await session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.state == "pending")) or 0


async def unseen(session: AsyncSession, platform: str, chat: str) -> list[OutboxRow]:
    """Pushes to a chat whose arrival is not known and that were not told since, oldest first."""
    query = select(OutboxRow).where(
        OutboxRow.state == "unknown", OutboxRow.kind == "push", OutboxRow.platform == platform, OutboxRow.chat == chat
    )
    return list(await session.scalars(query.order_by(OutboxRow.id)))


async def tell_unseen(session: AsyncSession, platform: str, chat: str) -> list[OutboxRow]:
    """Those of :func:`unseen`; they are told now."""
    found = await unseen(session, platform, chat)
    for row in found:
        row.state = "told"
    return found


async def last_post(session: AsyncSession, platform: str, chat: str) -> OutboxRow | None:
    """The newest entry for a chat, whatever became of it."""
    query = select(OutboxRow).where(OutboxRow.platform == platform, OutboxRow.chat == chat)
    return await session.scalar(query.order_by(OutboxRow.id.desc()).limit(1))
