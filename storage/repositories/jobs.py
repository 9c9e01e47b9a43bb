"""Fine-tune jobs: every change of state is a conditional update and leaves an event."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from finetune.jobs import ENDED, OPEN, InvalidTransition, JobState, check_transition
from storage.clock import now
from storage.tables import Job, JobEvent

_OPEN = [state.value for state in OPEN]


async def create(session: AsyncSession, job: Job) -> tuple[Job, bool]:
    """Store an intent; the same key again gives the first job, and False."""
    found = await by_key(session, job.key)
    if found is not None:
        return found, False
    session.add(job)
    await session.flush()
    session.add(JobEvent(job_id=job.id, at=now(), state=job.state, word=job.word, attempt=job.attempt))
    return job, True


async def by_key(session: AsyncSession, key: str) -> Job | None:
    """The job of an idempotency key."""
    return await session.scalar(select(Job).where(Job.key == key))


async def by_card(session: AsyncSession, platform: str, chat: str, message: str) -> Job | None:
    """The job whose card a message is."""
    query = select(Job).where(Job.platform == platform, Job.chat == chat, Job.card_message == message)
    return await session.scalar(query.limit(1))


async def get(session: AsyncSession, job_id: int) -> Job | None:
    """By number."""
    return await session.get(Job, job_id)


async def listing(session: AsyncSession, limit: int, offset: int = 0) -> list[Job]:
    """Newest first."""
    return list(await session.scalars(select(Job).order_by(Job.id.desc()).limit(limit).offset(offset)))


async def open_jobs(session: AsyncSession) -> list[Job]:
    """All that have not ended, oldest first: the order of the queue."""
    return list(await session.scalars(select(Job).where(Job.state.in_(_OPEN)).order_by(Job.id)))


async def before(session: AsyncSession, job: Job) -> list[Job]:
    """The open jobs of the same provider that come before this one, oldest first."""
    query = select(Job).where(Job.state.in_(_OPEN), Job.id < job.id, Job.provider == job.provider)
    return list(await session.scalars(query.order_by(Job.id)))


async def move(session: AsyncSession, job_id: int, before: JobState, after: JobState, word: str, **values: Any) -> bool:
    """Change a job's state if it still is ``before``; False if somebody else was first. Leaves an event."""
    if after is not before:
        check_transition(before, after)
    stamps: dict[str, Any] = {}
    if after is JobState.RUNNING and before is not JobState.RUNNING:
        stamps["started_at"] = func.coalesce(Job.started_at, now())
    if after in ENDED:
        stamps["ended_at"] = now()
    result = await session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == before.value)
        .values(state=after.value, word=word, **stamps, **values)
        .returning(Job.attempt)
    )
    attempt = result.scalar()
    if attempt is None:
        return False
    session.add(JobEvent(job_id=job_id, at=now(), state=after.value, word=word, attempt=attempt))
    return True


async def reopen(session: AsyncSession, job: Job, attempt: int, word: str, **values: Any) -> bool:
    """Have an ended job go on as this attempt; False if somebody else was first. Leaves an event."""
    before = JobState(job.state)
    if not before.resumable:
        raise InvalidTransition(f"{before} -> {JobState.QUEUED}")
    fresh: dict[str, Any] = {"handle": None, "cancel_requested": False, "failure": None, "ended_at": None}
    result = await session.execute(
        update(Job)
        .where(Job.id == job.id, Job.state == before.value, Job.run == job.run)
        .values(state=JobState.QUEUED.value, word=word, attempt=attempt, run=job.run + 1, **fresh, **values)
        .returning(Job.id)
    )
    if result.scalar() is None:
        return False
    session.add(JobEvent(job_id=job.id, at=now(), state=JobState.QUEUED.value, word=word, attempt=attempt))
    return True


async def note(session: AsyncSession, job_id: int, **values: Any) -> None:
    """Store facts of an open job that are no change of state (progress, the message of its card)."""
    await session.execute(update(Job).where(Job.id == job_id).values(**values))


async def events(session: AsyncSession, job_id: int) -> list[JobEvent]:
    """A job's life, oldest first."""
    return list(await session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)))


async def last_preset(session: AsyncSession, person_id: int, known: Iterable[str]) -> str | None:
    """The preset of a person's newest job that has one of those known."""
    query = select(Job.preset).where(Job.person_id == person_id, Job.preset.in_(tuple(known)))
    return await session.scalar(query.order_by(Job.id.desc()).limit(1))
