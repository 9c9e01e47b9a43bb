"""Who else may see, train on or edit a dataset."""

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import DatasetShare


async def put(session: AsyncSession, dataset_id: int, person_id: int | None, right: str) -> None:
    """Give a person, or the team for None, exactly this right."""
    await take(session, dataset_id, person_id)
    session.add(DatasetShare(dataset_id=dataset_id, person_id=person_id, right=right, created_at=now()))
    await session.flush()


async def take(session: AsyncSession, dataset_id: int, person_id: int | None) -> None:
    """Take the right of a person, or of the team."""
    of_whom = DatasetShare.person_id.is_(None) if person_id is None else DatasetShare.person_id == person_id
    await session.execute(delete(DatasetShare).where(DatasetShare.dataset_id == dataset_id, of_whom))


async def take_all(session: AsyncSession, dataset_id: int) -> None:
    """Share with nobody any more."""
    await session.execute(delete(DatasetShare).where(DatasetShare.dataset_id == dataset_id))


async def of_dataset(session: AsyncSession, dataset_id: int) -> list[DatasetShare]:
    """All shares of a dataset, that of the team first."""
    query = select(DatasetShare).where(DatasetShare.dataset_id == dataset_id)
    return sorted(await session.scalars(query), key=lambda share: (share.person_id is not None, share.id))


async def rights(session: AsyncSession, dataset_id: int, person_id: int) -> list[str]:
    """The rights that a person has, by name or with the team."""
    query = select(DatasetShare.right).where(
        DatasetShare.dataset_id == dataset_id,
        or_(DatasetShare.person_id == person_id, DatasetShare.person_id.is_(None)),
    )
    return list(await session.scalars(query))
