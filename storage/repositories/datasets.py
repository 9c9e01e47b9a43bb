"""Datasets, their immutable versions, and who may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Dataset, DatasetShare, DatasetVersion, Job, TunedModel

TEXT = "text"
IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Content:
    """What a version is made of. ``canonical`` is empty where errors keep the file from being trained on."""

    source: str
    canonical: str
    file_name: str
    reading: str | None
    report: Mapping[str, Any]
    made_from: int | None = None
    changes: Mapping[str, Any] | None = None
    sheets: Sequence[str] | None = None


async def create(
    session: AsyncSession, owner_id: int, name: str, content: Content, *, kind: str = TEXT
) -> tuple[Dataset, DatasetVersion]:
    """A new dataset with its first version."""
    dataset = Dataset(owner_id=owner_id, name=name[:120], kind=kind, current=1, created_at=now())
    session.add(dataset)
    await session.flush()
    return dataset, await _add(session, dataset, 1, content)


async def add_version(session: AsyncSession, dataset: Dataset, content: Content) -> DatasetVersion:
    """One more version, which becomes the current one; one of the same bytes only becomes current again."""
    # Versions of one dataset are numbered one after another, whoever adds them.
    await session.execute(select(Dataset.id).where(Dataset.id == dataset.id).with_for_update())
    query = select(DatasetVersion).where(
        DatasetVersion.dataset_id == dataset.id,
        DatasetVersion.source_digest == content.source,
        DatasetVersion.reading.is_(None) if content.reading is None else DatasetVersion.reading == content.reading,
    )
    version = (await session.scalars(query.order_by(DatasetVersion.number.desc()).limit(1))).first()
    if version is None:
        newest = await session.scalar(
            select(func.max(DatasetVersion.number)).where(DatasetVersion.dataset_id == dataset.id)
        )
        version = await _add(session, dataset, (newest or 0) + 1, content)
    await set_current(session, dataset.id, version.number)
    dataset.current = version.number
    return version


async def _add(session: AsyncSession, dataset: Dataset, number: int, content: Content) -> DatasetVersion:
    version = DatasetVersion(
        dataset_id=dataset.id,
        number=number,
        source_digest=content.source,
        canonical_digest=content.canonical,
        file_name=content.file_name[:200],
        reading=content.reading,
        report=dict(content.report),
        made_from=content.made_from,
        changes=None if content.changes is None else dict(content.changes),
        sheets=None if content.sheets is None else list(content.sheets),
        created_at=now(),
    )
    session.add(version)
    await session.flush()
    return version


async def set_current(session: AsyncSession, dataset_id: int, number: int) -> None:
    """Make a version the one that is shown and trained on."""
    await session.execute(update(Dataset).where(Dataset.id == dataset_id).values(current=number))


async def set_measures(session: AsyncSession, version_id: int, measures: Mapping[str, Any]) -> None:
    """Keep what was measured of a version."""
    await session.execute(update(DatasetVersion).where(DatasetVersion.id == version_id).values(measures=dict(measures)))


async def same_bytes(
    session: AsyncSession, owner_id: int, source: str, reading: str | None
) -> tuple[Dataset, DatasetVersion] | None:
    """This person's dataset that was made from exactly these bytes, read in this way (None: in any)."""
    query = (
        select(Dataset, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
        .where(Dataset.owner_id == owner_id, Dataset.deleted_at.is_(None), DatasetVersion.source_digest == source)
        .order_by(DatasetVersion.id.desc())
    )
    if reading is not None:
        query = query.where(DatasetVersion.reading == reading)
    row = (await session.execute(query.limit(1))).first()
    return (row[0], row[1]) if row else None


async def get(session: AsyncSession, dataset_id: int) -> Dataset | None:
    """A dataset that was not deleted."""
    dataset = await session.get(Dataset, dataset_id)
    return None if dataset is None or dataset.deleted_at else dataset


async def numbered(session: AsyncSession, dataset_id: int, number: int) -> DatasetVersion | None:
    """A version by its number."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.number == number)
    return (await session.scalars(query)).first()


async def versions(session: AsyncSession, dataset_id: int) -> list[DatasetVersion]:
    """All versions, the oldest first."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    return list(await session.scalars(query.order_by(DatasetVersion.number)))


async def current(session: AsyncSession, found: Sequence[Dataset]) -> dict[int, DatasetVersion]:
    """The current version of each dataset, by the dataset's id."""
    query = (
        select(DatasetVersion)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(Dataset.id.in_([dataset.id for dataset in found]), DatasetVersion.number == Dataset.current)
    )
    return {version.dataset_id: version for version in await session.scalars(query)}


async def version(session: AsyncSession, version_id: int) -> tuple[Dataset, DatasetVersion]:
    """A version with its dataset, deleted or not: jobs keep pointing to it."""
    query = select(Dataset, DatasetVersion).join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
    row = (await session.execute(query.where(DatasetVersion.id == version_id))).one()
    return row[0], row[1]


async def listing(
    session: AsyncSession, person_id: int | None, limit: int, offset: int = 0, *, kind: str = TEXT
) -> list[Dataset]:
    """The newest datasets of a kind that a person may see and nobody deleted; all people's for None."""
    query = select(Dataset).where(Dataset.deleted_at.is_(None), Dataset.kind == kind).order_by(Dataset.id.desc())
    if person_id is not None:
        shared = select(DatasetShare.dataset_id).where(
            or_(DatasetShare.person_id == person_id, DatasetShare.person_id.is_(None))
        )
        query = query.where(or_(Dataset.owner_id == person_id, Dataset.id.in_(shared)))
    return list(await session.scalars(query.limit(limit).offset(offset)))


async def delete(session: AsyncSession, dataset: Dataset) -> None:
    """Hide a dataset; what was trained on it keeps its files."""
    dataset.deleted_at = now()
    await session.merge(dataset)


async def depending(session: AsyncSession, dataset_id: int) -> tuple[int, list[int]]:
    """How many jobs were trained on any version of a dataset, and the numbers of the tuned models they made."""
    of_dataset = (
        select(Job.id)
        .join(DatasetVersion, DatasetVersion.id == Job.dataset_version_id)
        .where(DatasetVersion.dataset_id == dataset_id)
    )
    count = await session.scalar(select(func.count()).select_from(of_dataset.subquery())) or 0
    models = select(TunedModel.version).where(TunedModel.job_id.in_(of_dataset)).order_by(TunedModel.version)
    return count, list(await session.scalars(models))
