"""Tuned models and the alias that people talk to."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Alias, Job, TunedModel

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


async def listing(session: AsyncSession, limit: int) -> list[TunedModel]:
    """Newest first."""
    return list(await session.scalars(select(TunedModel).order_by(TunedModel.version.desc()).limit(limit)))


async def alias(session: AsyncSession, name: str = LIVE) -> Alias | None:
    """Where an alias points; None if it was never set."""
    return await session.get(Alias, name)


async def point(session: AsyncSession, model_id: int | None, person_id: int | None, name: str = LIVE) -> Alias:
    """Move an alias; what it pointed to before is kept for the way back."""
    row = await session.get(Alias, name)
    if row is None:
        row = Alias(name=name, model_id=None, former_id=None, changed_by=None, changed_at=now())
        session.add(row)
    if row.model_id != model_id:
        row.former_id = row.model_id
        row.model_id = model_id
        row.changed_by = person_id
        row.changed_at = now()
    await session.flush()
    return row
