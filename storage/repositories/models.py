"""Tuned models and the aliases that people talk to."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Alias, Job, TunedModel, Turn

LIVE = "live"


async def create(session: AsyncSession, job: Job, external_id: str, **values: Any) -> TunedModel:
    """Register what a job made, once; its version is the next number."""
    found = await of_job(session, job.id)
    if found is not None:
        return found
    last = await session.scalar(select(func.max(TunedModel.version))) or 0
    model = TunedModel(
        version=last + 1,
        job_id=job.id,
        name=job.name,
        provider=job.provider,
        base=job.base,
        external_id=external_id,
        created_at=now(),
        **values,
    )
    session.add(model)
    await session.flush()
    return model


async def of_job(session: AsyncSession, job_id: int) -> TunedModel | None:
    """What this job made."""
    return await session.scalar(select(TunedModel).where(TunedModel.job_id == job_id))


async def by_version(session: AsyncSession, version: int) -> TunedModel | None:
    """The model of ``/use_v<version>``."""
    return await session.scalar(select(TunedModel).where(TunedModel.version == version))


async def get(session: AsyncSession, model_id: int) -> TunedModel | None:
    """By number."""
    return await session.get(TunedModel, model_id)


async def listing(session: AsyncSession, limit: int, also: Collection[int] = ()) -> list[TunedModel]:
    """Newest first; of older ones those with ``also`` these numbers."""
    newest = select(TunedModel.id).order_by(TunedModel.version.desc()).limit(limit)
    query = select(TunedModel).where(or_(TunedModel.id.in_(newest), TunedModel.id.in_(also)))
    return list(await session.scalars(query.order_by(TunedModel.version.desc())))


async def alias(session: AsyncSession, name: str = LIVE) -> Alias | None:
    """Where an alias points; None if it was never set."""
    return await session.get(Alias, name)


async def aliases(session: AsyncSession) -> list[Alias]:
    """All names that name a model now, in their order; the live one is not among them."""
    query = select(Alias).where(Alias.name != LIVE, Alias.model_id.is_not(None)).order_by(Alias.name)
    return list(await session.scalars(query))


async def held(session: AsyncSession, name: str = LIVE) -> Alias:
    """An alias that nobody else moves until this transaction ends. One that never was points nowhere."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = insert(Alias).values(name=name, model_id=None, former_id=None, changed_by=None, changed_at=now())
    await session.execute(fresh.on_conflict_do_nothing())
    query = select(Alias).where(Alias.name == name).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def point(session: AsyncSession, model_id: int | None, person_id: int | None, name: str = LIVE) -> Alias:
    """Move an alias; what it pointed to before is kept for the way back."""
    row = await held(session, name)
    if row.model_id != model_id:
        row.former_id = row.model_id
        row.model_id = model_id
        row.changed_by = person_id
        row.changed_at = now()
    await session.flush()
    return row


async def users(session: AsyncSession, label: str) -> int:
    """How many people were answered by a model of this label."""
    answers = select(Turn.answer_to).where(Turn.role == "assistant", Turn.model == label)
    query = select(func.count(func.distinct(Turn.person_id))).where(
        Turn.role == "user", func.coalesce(Turn.answered_with, Turn.id).in_(answers)
    )
    return await session.scalar(query) or 0
