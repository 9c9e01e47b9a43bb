"""What came in: stored before it is acknowledged, recognised when it comes again."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import UpdateRow


async def add(session: AsyncSession, platform: str, update_id: str, event: str) -> bool:
    """Store an update; False if it was here before."""
    if await session.get(UpdateRow, (platform, update_id)) is not None:
        return False
    session.add(UpdateRow(platform=platform, id=update_id, event=event, received_at=now()))
    await session.flush()
    return True


async def handled(session: AsyncSession, platform: str, update_id: str) -> None:
    """Its effects are stored: never handle it again."""
    await session.execute(
        update(UpdateRow)
        .where(UpdateRow.platform == platform, UpdateRow.id == update_id)
        .values(handled_at=now(), event="", shown=None)
    )


async def attempted(session: AsyncSession, platform: str, update_id: str) -> None:
    """Count a try."""
    await session.execute(
        update(UpdateRow)
        .where(UpdateRow.platform == platform, UpdateRow.id == update_id)
        .values(attempts=UpdateRow.attempts + 1)
    )


async def shown(session: AsyncSession, platform: str, update_id: str) -> Mapping[str, str]:
    """The messages that replied to an update which is not handled yet, by the part of the reply."""
    row = await session.get(UpdateRow, (platform, update_id))
    return dict(row.shown or {}) if row is not None else {}


async def note_shown(session: AsyncSession, platform: str, update_id: str, part: str, message: str) -> None:
    """A part of the reply has a message."""
    row = await session.get(UpdateRow, (platform, update_id), with_for_update=True)
    if row is not None and row.handled_at is None:
        row.shown = {**(row.shown or {}), part: message}


async def given_up(session: AsyncSession, attempts: int) -> list[UpdateRow]:
    """What was tried ``attempts`` times and ended the process each time."""
    query = select(UpdateRow).where(UpdateRow.handled_at.is_(None), UpdateRow.attempts >= attempts)
    return list(await session.scalars(query.order_by(UpdateRow.received_at, UpdateRow.id)))


async def open_events(session: AsyncSession, attempts: int) -> list[UpdateRow]:
    """What a dead process left unhandled, in the order in which it came, tried fewer than ``attempts`` times."""
    query = select(UpdateRow).where(UpdateRow.handled_at.is_(None), UpdateRow.attempts < attempts)
    return list(await session.scalars(query.order_by(UpdateRow.received_at, UpdateRow.id)))


async def sweep(session: AsyncSession, before: datetime) -> None:
    """Forget handled updates that no platform repeats any more."""
    await session.execute(delete(UpdateRow).where(UpdateRow.handled_at < before))


SWEEP_AFTER = timedelta(days=7)
