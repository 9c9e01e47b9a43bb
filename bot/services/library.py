"""Datasets: a file comes in, is judged apart from the event loop, and becomes an immutable version."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from finetune.datasets import Report, examine, split
from storage.database import Database
from storage.files import FileStore, StoredFile, TooLarge
from storage.repositories import datasets
from storage.tables import Dataset, DatasetVersion


@dataclass(frozen=True, slots=True)
class Held:
    """A dataset version and what was found in it."""

    dataset: Dataset
    version: DatasetVersion
    report: Report
    known: bool = False  # the same bytes were here before


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a file: a version, or (with errors in it) only a report, and nothing was kept of it."""

    report: Report
    held: Held | None


@dataclass(frozen=True, slots=True)
class Split:
    """Training and held-out rows of a version as files. ``validation`` is None when nothing was held out."""

    training: Path
    validation: Path | None
    training_rows: int
    validation_rows: int


class Library:
    """The datasets of one installation. ``tokenizer`` gives the path of the default base's tokenizer, if ready."""

    def __init__(
        self, database: Database, files: FileStore, folder: Path, tokenizer: Callable[[], Awaitable[Path | None]]
    ) -> None:
        self._database = database
        self._files = files
        self._splits = folder
        self._tokenizer = tokenizer
        folder.mkdir(parents=True, exist_ok=True)

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> StoredFile:
        """Keep an upload's bytes. Raises ``UserError`` past ``limit`` bytes or without room; nothing is left then."""
        try:
            return await self._files.receive(chunks, limit)
        except TooLarge:
            raise UserError("upload_too_large", limit=limit // 1_000_000) from None
        except OSError as error:
            raise UserError("disk_full") from error

    async def judge(self, stored: StoredFile, name: str, member: Member) -> Judged:
        """Judge a kept file and, if it has no errors, make it a dataset of this person."""
        assert member.id is not None
        async with self._database.transaction() as session:
            known = await datasets.same_bytes(session, member.id, stored.digest)
        if known is not None:
            report = Report.from_json(known[1].report)
            return Judged(report, Held(known[0], known[1], report, known=True))
        canonical = self._files.temporary()
        try:
            tokenizer = await self._tokenizer()
            report = await examine(self._files.path(stored.digest), canonical, tokenizer=tokenizer, name=name)
            if not report.ok:
                return Judged(report, None)
            kept = await self._files.adopt(canonical)
        finally:
            canonical.unlink(missing_ok=True)
        async with self._database.transaction() as session:
            dataset, version = await datasets.create(
                session, member.id, _title(name), stored.digest, kept.digest, report.as_json()
            )
        return Judged(report, Held(dataset, version, report))

    async def get(self, dataset_id: int | None) -> Held:
        """A dataset's newest version; the newest dataset of all for None. Raises ``UserError``."""
        async with self._database.transaction() as session:
            if dataset_id is None:
                dataset = await datasets.newest(session)
                if dataset is None:
                    raise UserError("no_dataset")
            else:
                dataset = await datasets.get(session, dataset_id)
                if dataset is None:
                    raise UserError("dataset_unknown", n=dataset_id)
            version = await datasets.latest_version(session, dataset.id)
        return Held(dataset, version, Report.from_json(version.report))

    async def version(self, version_id: int) -> Held:
        """The version that a job was made for."""
        async with self._database.transaction() as session:
            dataset, version = await datasets.version(session, version_id)
        return Held(dataset, version, Report.from_json(version.report))

    async def listing(self, limit: int = 20) -> list[Held]:
        """The newest datasets."""
        async with self._database.transaction() as session:
            found = await datasets.listing(session, limit)
            versions = [await datasets.latest_version(session, dataset.id) for dataset in found]
        return [Held(d, v, Report.from_json(v.report)) for d, v in zip(found, versions, strict=True)]

    async def delete(self, dataset_id: int, member: Member) -> tuple[Dataset, int]:
        """Delete a dataset of one's own (an admin: any). Returns it and how many jobs were trained on it."""
        async with self._database.transaction() as session:
            dataset = await datasets.get(session, dataset_id)
            if dataset is None:
                raise UserError("dataset_unknown", n=dataset_id)
            if dataset.owner_id != member.id and member.role < Role.ADMIN:
                raise UserError("dataset_not_yours", n=dataset_id)
            used = await datasets.jobs_on(session, dataset_id)
            await datasets.delete(session, dataset)
        return dataset, used

    def source(self, version: DatasetVersion) -> Path:
        """The file as uploaded."""
        return self._files.path(version.source_digest)

    def canonical(self, version: DatasetVersion) -> Path:
        """The file as trained."""
        return self._files.path(version.canonical_digest)

    def split(self, version: DatasetVersion, share: float, seed: int) -> Split:
        """Training and held-out rows; the same arguments always give the same files. Blocks: call in a thread."""
        stem = f"{version.canonical_digest[:24]}-{round(share * 1000)}-{seed}"
        training, validation = self._splits / f"{stem}-train.jsonl", self._splits / f"{stem}-held-out.jsonl"
        kept, held_out = split(self.canonical(version), training, validation, share=share, seed=seed)
        return Split(training, validation if held_out else None, kept, held_out)


def _title(name: str) -> str:
    """A dataset's name: that of the file without folders and ending; it never becomes a path."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = plain.rsplit(".", 1)[0] if "." in plain else plain
    return " ".join(stem.split())[:80] or "dataset"
