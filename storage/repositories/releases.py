"""The log of what people talked to, and the promotions that wait for a second person."""

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from storage.clock import now
from storage.repositories.models import LIVE
from storage.tables import Release

ASKED, PROMOTED, ROLLED_BACK = "asked", "promoted", "rolled_back"
CANARY_ASKED, CANARY, CANARY_ENDED = "canary_asked", "canary", "canary_ended"
AWAITED, WITHDRAWN, LAPSED = "awaited", "withdrawn", "lapsed"
ACTIONS = (ASKED, PROMOTED, ROLLED_BACK, CANARY_ASKED, CANARY, CANARY_ENDED, AWAITED, WITHDRAWN, LAPSED)


async def note(
    session: AsyncSession,
    action: str,
    person_id: int | None,
    *,
    model_id: int | None,
    former_id: int | None = None,
    reason: str = "",
    event: str | None = None,
    alias: str = LIVE,
) -> None:
    """Write down a change or the wish for one."""
    session.add(
        Release(
            action=action,
            model_id=model_id,
            former_id=former_id,
            person_id=person_id,
            reason=reason,
            event=event,
            alias=alias,
            created_at=now(),
        )
    )
    await session.flush()


async def last(session: AsyncSession, alias: str = LIVE) -> Release | None:
    """The newest entry of a name: a wish counts as long as nothing came after it."""
    return await session.scalar(select(Release).where(Release.alias == alias).order_by(Release.id.desc()).limit(1))


async def awaiting(session: AsyncSession, model_id: int) -> list[Release]:
    """Of each name the wish that it moves to a model, if nothing came after it."""
    newest = select(func.max(Release.id)).group_by(Release.alias)
    wishes = select(Release).where(Release.id.in_(newest), Release.action == AWAITED, Release.model_id == model_id)
    return list(await session.scalars(wishes.order_by(Release.id)))


async def overtaken(session: AsyncSession, model_id: int) -> list[Release]:
    """Of each name the wish that it moves to a model, if that was neither done nor taken back and something else was
    decided after it; what is told of it is noted as its ``event``.
    """
    later = aliased(Release)
    after = (later.alias == Release.alias) & (later.id > Release.id)
    over = (later.model_id == model_id) & later.action.in_((PROMOTED, ASKED, AWAITED, WITHDRAWN, LAPSED))
    wishes = (
        select(Release)
        .where(Release.action == AWAITED, Release.model_id == model_id, Release.event.is_(None))
        .where(exists().where(after), ~exists().where(after & over))
    )
    return list(await session.scalars(wishes.order_by(Release.id)))


async def listing(session: AsyncSession, limit: int) -> list[Release]:
    """Newest first."""
    return list(await session.scalars(select(Release).order_by(Release.id.desc()).limit(limit)))


async def of_event(session: AsyncSession, event: str) -> Release | None:
    """What a request did already."""
    return await session.scalar(select(Release).where(Release.event == event))
