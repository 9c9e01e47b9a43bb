"""Image datasets: a set of pictures is judged apart from the event loop and becomes a dataset."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.access import Member
from bot.services.library import File, Library, seen_by, title_of
from finetune.images import Report, examine
from storage.database import Database
from storage.files import FileStore
from storage.repositories import datasets
from storage.repositories.datasets import IMAGES, Content
from storage.tables import Dataset, DatasetVersion


@dataclass(frozen=True, slots=True)
class HeldImages:
    """An image dataset's version and what was found in it. ``sheets``: pages of its contact sheet, by digest."""

    dataset: Dataset
    version: DatasetVersion
    report: Report
    known: bool = False  # the same bytes were here before

    @property
    def sheets(self) -> Sequence[str]:
        """The pages of the contact sheet, by digest."""
        return self.version.sheets or ()

    @property
    def has_original(self) -> bool:
        """Whether it came as one file; of pictures that came one by one, the canonical form is all there is."""
        return self.version.source_digest != self.version.canonical_digest


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of judging a set. ``canonical`` is a digest, "" for a set with errors; ``sheets`` are PNGs."""

    report: Report
    canonical: str
    sheets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class JudgedImages:
    """A dataset, or (with errors in it) only a report, and nothing was kept of it."""

    report: Report
    sheets: tuple[bytes, ...]
    held: HeldImages | None


class ImageSets:
    """The image datasets of one installation. ``library`` knows who may do what with a dataset."""

    def __init__(self, database: Database, files: FileStore, library: Library) -> None:
        self._database = database
        self._files = files
        self._library = library

    def path(self, digest: str) -> Path:
        """A kept file."""
        return self._files.path(digest)

    async def judge(self, file: File, member: Member) -> JudgedImages:
        """Judge a kept ``.zip`` and, if it has no errors, make it a dataset of this person.

        Raises :class:`finetune.errors.DatasetError` for what is no image set at all.
        """
        assert member.id is not None
        async with self._database.transaction() as session:
            known = await datasets.same_bytes(session, member.id, file.digest, None)
        if known is not None:
            held = _held(*known, known=True)
            return JudgedImages(held.report, await self.sheets(held), held)
        found = await self.examine(self._files.path(file.digest))
        if not found.canonical:
            return JudgedImages(found.report, found.sheets, None)
        pages = await self._keep(found.sheets)
        async with self._database.transaction() as session:
            held = await self._create(session, member.id, title_of(file.name), file, found, pages)
        return JudgedImages(found.report, found.sheets, held)

    async def examine(self, source: Path, names: Mapping[str, str] | None = None) -> Examined:
        """Judge a ``.zip`` or a folder, whose files people call by ``names``; the canonical form of a good one is kept.

        Raises :class:`finetune.errors.DatasetError` for what is no image set at all.
        """
        canonical = self._files.temporary()
        room = Path(await asyncio.to_thread(tempfile.mkdtemp))
        try:
            report = await examine(source, canonical, names=names, sheets=room)
            sheets = tuple([(room / f"page-{page}.png").read_bytes() for page in range(1, report.sheets + 1)])
            return Examined(report, (await self._files.adopt(canonical)).digest if report.ok else "", sheets)
        finally:
            canonical.unlink(missing_ok=True)
            shutil.rmtree(room, ignore_errors=True)

    async def keep(self, session: AsyncSession, member_id: int, name: str, found: Examined) -> HeldImages:
        """Make a set of pictures that came one by one a dataset; one of the same pictures is the same dataset."""
        known = await datasets.same_bytes(session, member_id, found.canonical, None)
        if known is not None:
            return _held(*known, known=True)
        file = File(found.canonical, f"{name}.zip")
        return await self._create(session, member_id, name, file, found, await self._keep(found.sheets))

    async def _keep(self, sheets: Sequence[bytes]) -> list[str]:
        return [await self._files.put(page) for page in sheets]

    async def _create(
        self, session: AsyncSession, member_id: int, name: str, file: File, found: Examined, pages: Sequence[str]
    ) -> HeldImages:
        content = Content(
            source=file.digest,
            canonical=found.canonical,
            file_name=file.name,
            reading=None,
            report=found.report.as_json(),
            sheets=pages,
        )
        return _held(*await datasets.create(session, member_id, name, content, kind=IMAGES))

    async def get(self, dataset_id: int, member: Member) -> HeldImages | None:
        """An image dataset; None for one of text. Raises ``UserError`` for one that this person may not see."""
        dataset, version = await self._library.find(dataset_id, member)
        return _held(dataset, version) if dataset.kind == IMAGES else None

    async def version(self, version_id: int) -> HeldImages:
        """The version that a job was made for."""
        async with self._database.transaction() as session:
            dataset, version = await datasets.version(session, version_id)
        return _held(dataset, version)

    async def listing(self, member: Member, limit: int = 20) -> list[HeldImages]:
        """The newest image datasets that a person may see."""
        async with self._database.transaction() as session:
            found = await datasets.listing(session, seen_by(member), limit, kind=IMAGES)
            versions = await datasets.current(session, found)
        return [_held(dataset, versions[dataset.id]) for dataset in found]

    async def sheets(self, held: HeldImages) -> tuple[bytes, ...]:
        """The pages of a contact sheet as PNGs."""
        return tuple([await asyncio.to_thread(self._files.path(page).read_bytes) for page in held.sheets])


def _held(dataset: Dataset, version: DatasetVersion, *, known: bool = False) -> HeldImages:
    return HeldImages(dataset, version, Report.from_json(version.report), known)
