"""Evaluations of tuned models: each is one process's as long as that lives, so that none is asked twice at once."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import leases
from storage.tables import Evaluation, Job, TunedModel

OPEN = ("queued", "asking", "measuring")


async def queue_missing(session: AsyncSession) -> None:
    """Make an evaluation for every tuned model that has none; where asking costs money, it waits for a wish."""
    known = select(Evaluation.model_id)
    query = select(TunedModel.id, Job.plan).join(Job, Job.id == TunedModel.job_id).where(TunedModel.id.not_in(known))
    rows: list[dict[str, Any]] = [
        {"model_id": id_, "state": "queued" if plan.get("free") else "skipped", "progress": {}, "attempt": 0}
        for id_, plan in await session.execute(query.order_by(TunedModel.id))
    ]
    if rows:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        at = {"created_at": now()}
        # Another process may find the same.
        await session.execute(insert(Evaluation).values([row | at for row in rows]).on_conflict_do_nothing())


async def again(session: AsyncSession, model_id: int) -> bool:
    """Have a model evaluated (once more); False while that is under way."""
    found = await of_model(session, model_id)
    if found is None:
        session.add(Evaluation(model_id=model_id, state="queued", progress={}, created_at=now()))
        return True
    if found.state in OPEN:
        return False
    found.state, found.attempt, found.failure, found.ended_at = "queued", 0, None, None
    return True


def _free(session: AsyncSession) -> ColumnElement[bool]:
    """Nobody works on it and it need not wait, or whoever did lives no more."""
    due = or_(Evaluation.lease_until.is_(None), Evaluation.lease_until < now())
    return or_(due, and_(Evaluation.lease_owner.is_not(None), Evaluation.lease_owner.not_in(leases.living(session))))


async def claim(session: AsyncSession, owner: str, lease: timedelta) -> Evaluation | None:
    """The oldest open one that nobody works on, leased to ``owner``, a process; None if there is none."""
    chosen = await session.scalar(
        select(Evaluation.id)
        .where(Evaluation.state.in_(OPEN), _free(session))
        .order_by(Evaluation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if chosen is None:
        return None
    await session.execute(
        update(Evaluation)
        .where(Evaluation.id == chosen)
        .values(lease_owner=owner, lease_until=now() + lease, attempt=Evaluation.attempt + 1)
    )
    return await session.get(Evaluation, chosen, populate_existing=True)


async def note(session: AsyncSession, evaluation_id: int, owner: str, lease: timedelta, **values: Any) -> bool:
    """Store facts and lengthen the lease; False if it is somebody else's by now."""
    result = await session.execute(
        update(Evaluation)
        .where(Evaluation.id == evaluation_id, Evaluation.lease_owner == owner, Evaluation.state.in_(OPEN))
        .values(lease_until=now() + lease, **values)
        .returning(Evaluation.id)
    )
    return result.scalar() is not None


async def release(session: AsyncSession, owner: str, delay: timedelta = timedelta()) -> None:
    """Give up what ``owner`` works on; it may be claimed after ``delay``."""
    await session.execute(
        update(Evaluation)
        .where(Evaluation.lease_owner == owner, Evaluation.state.in_(OPEN))
        .values(lease_owner=None, lease_until=now() + delay if delay else None)
    )


async def end(session: AsyncSession, evaluation_id: int, owner: str, state: str, **values: Any) -> bool:
    """Done or failed, once; False if it is somebody else's by now."""
    result = await session.execute(
        update(Evaluation)
        .where(Evaluation.id == evaluation_id, Evaluation.lease_owner == owner, Evaluation.state.in_(OPEN))
        .values(state=state, lease_owner=None, lease_until=None, ended_at=now(), **values)
        .returning(Evaluation.id)
    )
    return result.scalar() is not None


async def of_model(session: AsyncSession, model_id: int, *, hold: bool = False) -> Evaluation | None:
    """A model's evaluation. ``hold``: it does not end before this transaction does."""
    query = select(Evaluation).where(Evaluation.model_id == model_id)
    return await session.scalar(query.with_for_update(read=True) if hold else query)


async def get(session: AsyncSession, evaluation_id: int) -> Evaluation | None:
    """By number."""
    return await session.get(Evaluation, evaluation_id)


async def of_models(session: AsyncSession, model_ids: list[int]) -> dict[int, Evaluation]:
    """Evaluations by their models' numbers."""
    found = await session.scalars(select(Evaluation).where(Evaluation.model_id.in_(model_ids)))
    return {each.model_id: each for each in found}
