"""What people tell of a job that runs elsewhere: kept in its handle, and as an event of its life."""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from finetune.jobs import OPEN
from storage.clock import now
from storage.tables import Job, JobEvent

_OPEN = [state.value for state in OPEN]


async def rehandle(session: AsyncSession, job: Job, after: str, word: str) -> bool:
    """Another handle for an open job; False if it has ended, or somebody else told something first. Leaves an event."""
    result = await session.execute(
        update(Job)
        .where(Job.id == job.id, Job.handle == job.handle, Job.state.in_(_OPEN))
        .values(handle=after)
        .returning(Job.state)
    )
    state = result.scalar()
    if state is None:
        return False
    session.add(JobEvent(job_id=job.id, at=now(), state=state, word=word, attempt=job.attempt))
    return True


async def since(session: AsyncSession, job: Job) -> datetime | None:
    """Since when a job is in its state."""
    query = select(func.max(JobEvent.at)).where(JobEvent.job_id == job.id, JobEvent.state == job.state)
    return await session.scalar(query)


async def waiting(session: AsyncSession, providers: list[str]) -> list[Job]:
    """Open jobs of these providers that were handed to them."""
    query = select(Job).where(Job.state.in_(_OPEN), Job.provider.in_(providers), Job.handle.is_not(None))
    return list(await session.scalars(query.order_by(Job.id)))


async def ended(session: AsyncSession, provider: str, base: str, limit: int = 20) -> list[Job]:
    """The newest jobs on a base that succeeded."""
    query = select(Job).where(Job.provider == provider, Job.base == base, Job.state == "succeeded")
    return list(await session.scalars(query.order_by(Job.id.desc()).limit(limit)))
