"""Datasets and their immutable versions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Dataset, DatasetVersion, Job


async def create(
    session: AsyncSession, owner_id: int, name: str, source: str, canonical: str, report: Mapping[str, Any]
) -> tuple[Dataset, DatasetVersion]:
    """A new dataset with its first version."""
    dataset = Dataset(owner_id=owner_id, name=name[:120], created_at=now())
    session.add(dataset)
    await session.flush()
    version = DatasetVersion(
        dataset_id=dataset.id,
        number=1,
        source_digest=source,
        canonical_digest=canonical,
        report=dict(report),
        created_at=now(),
    )
    session.add(version)
    await session.flush()
    return dataset, version


async def same_bytes(session: AsyncSession, owner_id: int, source: str) -> tuple[Dataset, DatasetVersion] | None:
    """This person's dataset that was made from exactly these bytes."""
    query = (
        select(Dataset, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
        .where(Dataset.owner_id == owner_id, Dataset.deleted_at.is_(None), DatasetVersion.source_digest == source)
        .order_by(DatasetVersion.id.desc())
    )
    row = (await session.execute(query.limit(1))).first()
    return (row[0], row[1]) if row else None


async def get(session: AsyncSession, dataset_id: int) -> Dataset | None:
    """A dataset that was not deleted."""
    dataset = await session.get(Dataset, dataset_id)
    return None if dataset is None or dataset.deleted_at else dataset


async def latest_version(session: AsyncSession, dataset_id: int) -> DatasetVersion:
    """The newest version of a dataset, which always has one."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    return (await session.scalars(query.order_by(DatasetVersion.number.desc()).limit(1))).one()


async def version(session: AsyncSession, version_id: int) -> tuple[Dataset, DatasetVersion]:
    """A version with its dataset, deleted or not: jobs keep pointing to it."""
    query = select(Dataset, DatasetVersion).join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
    row = (await session.execute(query.where(DatasetVersion.id == version_id))).one()
    return row[0], row[1]


async def listing(session: AsyncSession, limit: int, offset: int = 0) -> list[Dataset]:
    """The newest datasets that were not deleted."""
    query = select(Dataset).where(Dataset.deleted_at.is_(None)).order_by(Dataset.id.desc())
    return list(await session.scalars(query.limit(limit).offset(offset)))


async def newest(session: AsyncSession) -> Dataset | None:
    """The newest dataset that was not deleted."""
    found = await listing(session, 1)
    return found[0] if found else None


async def delete(session: AsyncSession, dataset: Dataset) -> None:
    """Hide a dataset; what was trained on it keeps its files."""
    dataset.deleted_at = now()
    await session.merge(dataset)


async def jobs_on(session: AsyncSession, dataset_id: int) -> int:
    """How many jobs were trained on any version of a dataset."""
    query = select(func.count()).select_from(Job).join(DatasetVersion, DatasetVersion.id == Job.dataset_version_id)
    return await session.scalar(query.where(DatasetVersion.dataset_id == dataset_id)) or 0
