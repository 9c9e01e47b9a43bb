"""Conversations that talk to another model than everybody: private trials, and a canary's share."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Canary, Rating, Trial, Turn

_OPEN = "canary"


async def set_trial(session: AsyncSession, conversation_id: int, model_id: int, alias: str | None = None) -> None:
    """A conversation tries a model, or whatever an alias names."""
    await session.merge(Trial(conversation_id=conversation_id, model_id=model_id, alias=alias, created_at=now()))


async def end_trial(session: AsyncSession, conversation_id: int) -> bool:
    """It talks to what everybody talks to again; False if it did."""
    result = await session.execute(
        delete(Trial).where(Trial.conversation_id == conversation_id).returning(Trial.conversation_id)
    )
    return result.scalar() is not None


async def trial(session: AsyncSession, conversation_id: int) -> Trial | None:
    """What a conversation tries."""
    return await session.get(Trial, conversation_id)


async def canary(session: AsyncSession) -> Canary | None:
    """The canary that runs."""
    return await session.scalar(select(Canary).where(Canary.open_key == _OPEN))


async def begin_canary(session: AsyncSession, model_id: int, person_id: int | None, share: int) -> Canary:
    """Begin one; what ran before is ended."""
    await end_canary(session, "ended", "replaced")
    found = Canary(
        open_key=_OPEN,
        model_id=model_id,
        person_id=person_id,
        share=share,
        state="running",
        reason="",
        created_at=now(),
    )
    session.add(found)
    await session.flush()
    return found


async def end_canary(session: AsyncSession, state: str, reason: str) -> bool:
    """End the one that runs; False if none does."""
    result = await session.execute(
        update(Canary)
        .where(Canary.open_key == _OPEN)
        .values(open_key=None, state=state, reason=reason, ended_at=now())
        .returning(Canary.id)
    )
    return result.scalar() is not None


async def get_canary(session: AsyncSession, canary_id: int) -> Canary | None:
    """By number."""
    return await session.get(Canary, canary_id)


async def answers_since(
    session: AsyncSession, since: datetime, limit: int, label: str
) -> Sequence[tuple[int, int, str]]:
    """(turn, conversation, state) of the newest answers that have ended: by a model of this label, or by one that could
    not even be asked. Conversations that try something else are left out.
    """
    query = (
        select(Turn.id, Turn.conversation_id, Turn.state)
        .where(
            Turn.role == "assistant",
            Turn.created_at >= since,
            Turn.state.in_(("done", "failed", "superseded")),
            or_(Turn.model == label, Turn.model.is_(None)),
            Turn.conversation_id.not_in(select(Trial.conversation_id)),
        )
        .order_by(Turn.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in await session.execute(query)]


async def disliked(session: AsyncSession, answer_ids: Sequence[int]) -> int:
    """How many of these answers have a 👎."""
    query = select(func.count(func.distinct(Rating.answer_id))).where(
        Rating.answer_id.in_(answer_ids), Rating.value < 0
    )
    return await session.scalar(query) or 0
