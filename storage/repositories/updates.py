"""What came in: stored before it is acknowledged, recognised when it comes again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import leases
from storage.tables import UpdateRow


async def add(session: AsyncSession, platform: str, update_id: str, chat: str, event: str) -> bool:
    """Store an update; False if it was here before, also if it comes to two processes at once."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    # Of processes whose clocks differ, the database's own says what came first.
    received = func.clock_timestamp() if insert is postgresql.insert else now()
    row = {"platform": platform, "id": update_id, "chat": chat, "event": event, "received_at": received, "attempts": 0}
    statement = insert(UpdateRow).values(row).on_conflict_do_nothing().returning(UpdateRow.id)
    return (await session.execute(statement)).scalar() is not None


async def state(session: AsyncSession, platform: str, update_id: str) -> tuple[bool, Mapping[str, Any] | None]:
    """Whether an update was handled, and what whoever pressed was told."""
    row = await session.get(UpdateRow, (platform, update_id))
    return (row is None or row.handled_at is not None), (row.answer if row else None)


async def handled(
    session: AsyncSession, platform: str, update_id: str, answer: Mapping[str, Any] | None = None
) -> None:
    """Its effects are stored: never handle it again."""
    await session.execute(
        update(UpdateRow)
        .where(UpdateRow.platform == platform, UpdateRow.id == update_id)
        .values(handled_at=now(), event="", shown=None, answer=None if answer is None else dict(answer))
    )


async def attempted(session: AsyncSession, platform: str, update_id: str) -> bool:
    """Count a try. False if there is nothing to try: it was handled."""
    result = await session.execute(
        update(UpdateRow)
        .where(UpdateRow.platform == platform, UpdateRow.id == update_id, UpdateRow.handled_at.is_(None))
        .values(attempts=UpdateRow.attempts + 1)
        .returning(UpdateRow.id)
    )
    return result.scalar() is not None


async def shown(session: AsyncSession, platform: str, update_id: str) -> Mapping[str, str]:
    """The messages that replied to an update which is not handled yet, by the part of the reply."""
    row = await session.get(UpdateRow, (platform, update_id))
    return dict(row.shown or {}) if row is not None else {}


async def note_shown(session: AsyncSession, platform: str, update_id: str, part: str, message: str) -> None:
    """A part of the reply has a message."""
    row = await session.get(UpdateRow, (platform, update_id), with_for_update=True)
    if row is not None and row.handled_at is None:
        row.shown = {**(row.shown or {}), part: message}


async def open_in(session: AsyncSession, platform: str, chat: str) -> list[UpdateRow]:
    """What was not handled in a chat, in the order in which it came."""
    query = select(UpdateRow).where(*_open_in(platform, chat))
    return list(await session.scalars(query.order_by(UpdateRow.received_at, UpdateRow.id)))


async def open_ids(session: AsyncSession, platform: str, chat: str) -> list[str]:
    """The ids of what was not handled in a chat."""
    return list(await session.scalars(select(UpdateRow.id).where(*_open_in(platform, chat))))


def _open_in(platform: str, chat: str) -> tuple[ColumnElement[bool], ...]:
    return UpdateRow.handled_at.is_(None), UpdateRow.platform == platform, UpdateRow.chat == chat


async def open_events(session: AsyncSession, replica: str) -> list[tuple[str, str, str]]:
    """(platform, chat, id) of what was not handled, but for the chats that another living process has."""
    elsewhere = leases.held_elsewhere(session, leases.chat_lease_of(UpdateRow.platform, UpdateRow.chat), replica)
    query = select(UpdateRow.platform, UpdateRow.chat, UpdateRow.id)
    found = await session.execute(query.where(UpdateRow.handled_at.is_(None), ~elsewhere).limit(_MOST))
    return [(platform, chat, id_) for platform, chat, id_ in found]


async def sweep(session: AsyncSession, before: datetime) -> None:
    """Forget handled updates that no platform repeats any more."""
    await session.execute(delete(UpdateRow).where(UpdateRow.handled_at < before))


SWEEP_AFTER = timedelta(days=7)
_MOST = 5000
