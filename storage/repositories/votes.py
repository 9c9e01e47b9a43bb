"""People's votes in blind pairs."""

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Vote


async def cast(
    session: AsyncSession, evaluation_id: int, other: str, question: str, person_id: int, winner: str
) -> bool:
    """Keep a vote; False if this person had voted on this pair: the first vote stands."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = insert(Vote).values(
        evaluation_id=evaluation_id,
        other=other,
        question=question,
        person_id=person_id,
        winner=winner,
        created_at=now(),
    )
    return await session.scalar(fresh.on_conflict_do_nothing().returning(Vote.id)) is not None


async def of(session: AsyncSession, evaluation_id: int, other: str, person_id: int | None = None) -> list[Vote]:
    """The votes of an evaluation, of one person or of all."""
    query = select(Vote).where(Vote.evaluation_id == evaluation_id, Vote.other == other).order_by(Vote.id)
    if person_id is not None:
        query = query.where(Vote.person_id == person_id)
    return list(await session.scalars(query))


async def counts(session: AsyncSession, evaluation_id: int) -> dict[str, int]:
    """How many votes of an evaluation each winner has, against whatever it was compared with."""
    query = select(Vote.winner, func.count()).where(Vote.evaluation_id == evaluation_id).group_by(Vote.winner)
    return {str(row[0]): int(row[1]) for row in await session.execute(query)}
