"""What people said of answers on its way into a dataset: who agreed, what waits for a trainer, what was decided."""

from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from storage.clock import now
from storage.tables import Consent, Rating, Review, Suggestion, Turn


async def agree(session: AsyncSession, person_id: int) -> None:
    """A person agrees; again changes nothing."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"person_id": person_id, "created_at": now()}
    await session.execute(insert(Consent).values(**values).on_conflict_do_nothing())


async def disagree(session: AsyncSession, person_id: int) -> None:
    """A person takes it back: what waits is no longer shown."""
    await session.execute(delete(Consent).where(Consent.person_id == person_id))


async def agreed(session: AsyncSession, person_id: int) -> bool:
    """Whether a person agrees now."""
    return await session.get(Consent, person_id) is not None


async def suggestions(session: AsyncSession, limit: int) -> list[tuple[Suggestion, Turn]]:
    """Better answers that wait, with the answers they are for; only of people who agree. Oldest first."""
    query = (
        select(Suggestion, Turn)
        .join(Turn, Turn.id == Suggestion.answer_id)
        .join(Consent, Consent.person_id == Suggestion.person_id)
        .where(Suggestion.state == "given", Suggestion.id.not_in(_reviewed(Review.suggestion_id)))
        .order_by(Suggestion.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def liked(session: AsyncSession, limit: int) -> list[Turn]:
    """Whole answers with more 👍 than 👎 of people who agree, and no better answer, that wait. Oldest first."""
    given = select(Suggestion.answer_id).where(Suggestion.state == "given")
    query = (
        select(Turn)
        .join(Rating, Rating.answer_id == Turn.id)
        .join(Consent, Consent.person_id == Rating.person_id)
        .where(Turn.state == "done", Turn.id.not_in(given), Turn.id.not_in(_reviewed(Review.answer_id)))
        .group_by(Turn.id)
        .having(func.sum(Rating.value) > 0)
        .order_by(Turn.id)
        .limit(limit)
    )
    return list(await session.scalars(query))


def _reviewed(column: InstrumentedAttribute[int | None]) -> Select[int | None]:
    return select(column).where(column.is_not(None))


async def ratings(session: AsyncSession, answer_id: int) -> tuple[int, int]:
    """How many 👍 and 👎 an answer has."""
    found = list(await session.scalars(select(Rating.value).where(Rating.answer_id == answer_id)))
    return found.count(1), found.count(-1)


async def decided(session: AsyncSession, *, suggestion_id: int | None, answer_id: int | None) -> bool:
    """Whether a trainer has decided on it."""
    query = select(Review.id).where(
        Review.suggestion_id == suggestion_id if suggestion_id is not None else Review.answer_id == answer_id
    )
    return await session.scalar(query) is not None


async def decide(session: AsyncSession, **values: Any) -> bool:
    """Keep what a trainer decided; False if somebody was quicker: the first decision stands."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = insert(Review).values(created_at=now(), **values)
    return await session.scalar(fresh.on_conflict_do_nothing().returning(Review.id)) is not None


async def accepted(session: AsyncSession) -> list[Review]:
    """What was accepted and is in no dataset yet."""
    query = select(Review).where(Review.state == "accepted", Review.dataset_version_id.is_(None)).order_by(Review.id)
    return list(await session.scalars(query.with_for_update()))


async def taken_in(session: AsyncSession, ids: list[int], version_id: int) -> None:
    """A dataset version has these."""
    await session.execute(update(Review).where(Review.id.in_(ids)).values(dataset_version_id=version_id))
