"""Datasets: a file comes in, is judged apart from the event loop, and becomes an immutable version."""

import asyncio
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from bot.services.sharing import Right, right_of
from finetune.datasets import Changes, Measures, Report, Wish, examine, measured, mended, split
from finetune.errors import FineTuneError
from storage.database import Database
from storage.files import FileStore, StoredFile, TooLarge
from storage.repositories import audit, datasets
from storage.repositories.audit import Act
from storage.repositories.datasets import IMAGES, TEXT, Content
from storage.tables import Dataset, DatasetVersion

log = logging.getLogger(__name__)

# A mended version is a file of its own, of this name: nobody uploaded it.
_MENDED_NAME = "mended.jsonl"


@dataclass(frozen=True, slots=True)
class Held:
    """A dataset version and what was found in it."""

    dataset: Dataset
    version: DatasetVersion
    report: Report
    known: bool = False  # the same bytes were here before

    @property
    def measures(self) -> Measures | None:
        """What was measured of it, if that was done."""
        return Measures.from_json(self.version.measures) if self.version.measures else None

    @property
    def changes(self) -> Changes | None:
        """What a mending did, if this version came from one."""
        return Changes.from_json(self.version.changes) if self.version.changes else None

    @property
    def trainable(self) -> bool:
        """Whether it can be trained on."""
        return bool(self.version.canonical_digest)


@dataclass(frozen=True, slots=True)
class File:
    """A file that was kept: its digest, its name as people know it, and how it is to be read (None: as it seems)."""

    digest: str
    name: str
    reading: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a file: a version, or (with errors in it) only a report, and nothing was kept of it."""

    file: File
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
    """The text datasets of one installation. ``tokenizer`` gives the path of the default base's tokenizer, if ready."""

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

    async def judge(self, file: File, member: Member) -> Judged:
        """Judge a kept file and, if it has no errors, make it a dataset of this person."""
        assert member.id is not None
        async with self._database.transaction() as session:
            known = await datasets.same_bytes(session, member.id, file.digest, file.reading)
            if known is not None and known[1].canonical_digest:
                # Whoever sends a version again means it, not the one that was made from it since.
                await datasets.set_current(session, known[0].id, known[1].number)
        if known is not None and known[1].canonical_digest:
            report = Report.from_json(known[1].report)
            return Judged(file, report, Held(known[0], known[1], report, known=True))
        report, canonical = await self._judge(file)
        if not canonical:
            return Judged(file, report, None)
        async with self._database.transaction() as session:
            dataset, version = await datasets.create(
                session, member.id, title_of(file.name), _content(file, report, canonical)
            )
        return Judged(file, report, Held(dataset, version, report))

    async def _judge(self, file: File) -> tuple[Report, str]:
        """The report, and the digest of the canonical form ("" where errors keep it from being one)."""
        canonical = self._files.temporary()
        try:
            report = await examine(self._files.path(file.digest), canonical, name=file.name, reading=file.reading)
            return report, (await self._files.adopt(canonical)).digest if report.ok else ""
        finally:
            canonical.unlink(missing_ok=True)

    async def measure(self, held: Held) -> Held:
        """The same with its measures, taken now unless they are there; unchanged where they cannot be taken."""
        if held.version.measures or not held.trainable:
            return held
        try:
            measures = await measured(self.canonical(held.version), tokenizer=await self._tokenizer())
        except (FineTuneError, RuntimeError) as error:
            # The dataset is good all the same; the card says that this is not known.
            log.warning("dataset version %s could not be measured: %s", held.version.id, error)
            return held
        async with self._database.transaction() as session:
            await datasets.set_measures(session, held.version.id, measures.as_json())
        held.version.measures = measures.as_json()
        return held

    async def mend(self, held: Held, wish: Wish, member: Member) -> Held:
        """A new current version, with what ``wish`` says put right. Raises ``UserError`` where that changes nothing."""
        await self._may(held.dataset, member, Right.EDIT)
        version = held.version
        source = File(version.canonical_digest or version.source_digest, version.file_name, version.reading)
        if version.canonical_digest:
            source = File(version.canonical_digest, _MENDED_NAME)
        content = await self._mended(source, wish, version.number)
        async with self._database.transaction() as session:
            new = await datasets.add_version(session, held.dataset, content)
        return Held(held.dataset, new, Report.from_json(new.report))

    async def mend_file(self, file: File, wish: Wish, member: Member) -> Held:
        """The same for a file with errors that is no dataset yet: it becomes version 1, the mended one version 2."""
        assert member.id is not None
        report, canonical = await self._judge(file)
        content = await self._mended(file, wish, 1)
        async with self._database.transaction() as session:
            known = await datasets.same_bytes(session, member.id, file.digest, file.reading)
            dataset = known[0] if known else None
            if dataset is None:
                dataset, _ = await datasets.create(
                    session, member.id, title_of(file.name), _content(file, report, canonical)
                )
            new = await datasets.add_version(session, dataset, content)
        return Held(dataset, new, Report.from_json(new.report))

    async def _mended(self, source: File, wish: Wish, made_from: int) -> Content:
        target = self._files.temporary()
        try:
            changes = await mended(
                self._files.path(source.digest),
                target,
                wish,
                name=source.name,
                reading=source.reading,
                tokenizer=await self._tokenizer() if "split_long" in wish.names else None,
            )
            if not changes.touched:
                raise UserError("nothing_to_mend")
            kept = await self._files.adopt(target)
        finally:
            target.unlink(missing_ok=True)
        file = File(kept.digest, _MENDED_NAME)
        report, canonical = await self._judge(file)
        return _content(file, report, canonical, made_from, changes)

    async def extended(self, held: Held, rows: Sequence[Mapping[str, Any]]) -> Content:
        """The content of a next version with rows added at the end; nothing is stored of it but its file.

        Raises ``UserError`` for a version with errors.
        """
        target = self._files.temporary()
        try:
            added = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
            await asyncio.to_thread(_appended, self.canonical(held.version), added, target)
            kept = await self._files.adopt(target)
        finally:
            target.unlink(missing_ok=True)
        file = File(kept.digest, _MENDED_NAME)
        report, canonical = await self._judge(file)
        return _content(file, report, canonical, held.version.number)

    async def switch(self, dataset_id: int, number: int, member: Member) -> Held:
        """Make another version the current one."""
        async with self._database.transaction() as session:
            dataset = await datasets.get(session, dataset_id)
            version = await datasets.numbered(session, dataset_id, number)
        if dataset is None or version is None:
            raise UserError("dataset_unknown", n=dataset_id)
        await self._may(dataset, member, Right.EDIT)
        async with self._database.transaction() as session:
            await datasets.set_current(session, dataset_id, number)
        dataset.current = number
        return Held(dataset, version, Report.from_json(version.report))

    async def get(
        self, dataset_id: int | None, member: Member, right: Right = Right.READ, *, number: int | None = None
    ) -> Held:
        """A text dataset's current version, or that of a number; the newest one for None.

        Raises ``UserError`` for one that is not there, that this person may not see, or that is of images.
        """
        dataset, version = await self.find(dataset_id, member, right, number=number)
        if dataset.kind != TEXT:
            raise UserError("dataset_is_images", n=dataset.id)
        return Held(dataset, version, Report.from_json(version.report))

    async def find(
        self, dataset_id: int | None, member: Member, right: Right = Right.READ, *, number: int | None = None
    ) -> tuple[Dataset, DatasetVersion]:
        """The same for a dataset of any kind; for None one of images only where there is none of text."""
        async with self._database.transaction() as session:
            if dataset_id is None:
                newest = await datasets.listing(session, seen_by(member), 1)
                newest = newest or await datasets.listing(session, seen_by(member), 1, kind=IMAGES)
                if not newest:
                    raise UserError("no_dataset")
                dataset: Dataset | None = newest[0]
            else:
                dataset = await datasets.get(session, dataset_id)
            if dataset is None:
                raise UserError("dataset_unknown", n=dataset_id)
            version = await datasets.numbered(session, dataset.id, number or dataset.current)
        await self._may(dataset, member, right)
        if version is None:
            raise UserError("dataset_unknown", n=dataset.id)
        return dataset, version

    async def _may(self, dataset: Dataset, member: Member, right: Right) -> None:
        """Raise ``UserError`` unless this person has the right. Who may not even read is told no more than a guess."""
        async with self._database.transaction() as session:
            have = await right_of(session, dataset, member)
        if have is None:
            raise UserError("dataset_unknown", n=dataset.id)
        if have < right:
            raise UserError("dataset_right", n=dataset.id, right=right.word)

    async def versions(self, dataset: Dataset) -> list[Held]:
        """All versions of a dataset, the oldest first."""
        async with self._database.transaction() as session:
            found = await datasets.versions(session, dataset.id)
        return [Held(dataset, version, Report.from_json(version.report)) for version in found]

    async def version(self, version_id: int) -> Held:
        """The version that a job was made for."""
        async with self._database.transaction() as session:
            dataset, version = await datasets.version(session, version_id)
        return Held(dataset, version, Report.from_json(version.report))

    async def listing(self, member: Member, limit: int = 20) -> list[Held]:
        """The newest text datasets that a person may see."""
        async with self._database.transaction() as session:
            found = await datasets.listing(session, seen_by(member), limit)
            versions = await datasets.current(session, found)
        return [Held(dataset, versions[dataset.id], Report.from_json(versions[dataset.id].report)) for dataset in found]

    async def depending(self, dataset_id: int) -> tuple[int, list[int]]:
        """How many jobs were trained on a dataset, and which tuned models came of them."""
        async with self._database.transaction() as session:
            return await datasets.depending(session, dataset_id)

    async def delete(self, dataset_id: int, member: Member) -> Dataset:
        """Delete a dataset of one's own (an admin: any). What was trained on it stays."""
        dataset, _ = await self.find(dataset_id, member)
        if dataset.owner_id != member.id and member.role < Role.ADMIN:
            raise UserError("dataset_not_yours", n=dataset_id)
        async with self._database.transaction() as session:
            await datasets.delete(session, dataset)
            await audit.record(session, Act.DELETED, member.id, dataset=dataset.id, name=dataset.name)
        return dataset

    def source(self, version: DatasetVersion) -> Path:
        """The file as it came."""
        return self._files.path(version.source_digest)

    def canonical(self, version: DatasetVersion) -> Path:
        """The file as trained. Raises ``UserError`` for a version that cannot be."""
        if not version.canonical_digest:
            raise UserError("dataset_has_errors", n=version.dataset_id, number=version.number)
        return self._files.path(version.canonical_digest)

    def split(self, version: DatasetVersion, share: float, seed: int) -> Split:
        """Training and held-out rows; the same arguments always give the same files. Blocks: call in a thread."""
        stem = f"{version.canonical_digest[:24]}-{round(share * 1000)}-{seed}"
        training, validation = self._splits / f"{stem}-train.jsonl", self._splits / f"{stem}-held-out.jsonl"
        record = self._splits / f"{stem}.json"
        try:
            kept, held_out = json.loads(record.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            # Finding what is nearly the same takes seconds: done once for each version, share and seed.
            kept, held_out = split(self.canonical(version), training, validation, share=share, seed=seed)
            part = record.with_name(f"{record.name}.{os.getpid()}.part")
            part.write_text(json.dumps([kept, held_out]), "utf-8")
            part.replace(record)
        return Split(training, validation if held_out else None, kept, held_out)


def _appended(canonical: Path, added: bytes, target: Path) -> None:
    with canonical.open("rb") as before, target.open("wb") as after:
        shutil.copyfileobj(before, after)
        after.write(added)


def _content(
    file: File, report: Report, canonical: str, made_from: int | None = None, changes: Changes | None = None
) -> Content:
    return Content(
        source=file.digest,
        canonical=canonical,
        file_name=file.name,
        reading=file.reading,
        report=report.as_json(),
        made_from=made_from,
        changes=changes.as_json() if changes else None,
    )


def seen_by(member: Member) -> int | None:
    """Whose datasets are listed: an admin sees all."""
    return None if member.role >= Role.ADMIN else member.id or 0


def title_of(name: str) -> str:
    """A dataset's name: that of the file without folders and ending; it never becomes a path."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = plain.rsplit(".", 1)[0] if "." in plain else plain
    return " ".join(stem.split())[:80] or "dataset"
