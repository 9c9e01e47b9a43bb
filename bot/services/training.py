"""From a person's words to a job: what would run, what it takes, and starting it once."""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.chat.errors import UserError
from bot.chat.places import MessageRef, Place
from bot.services.access import Member, Role
from bot.services.library import Held, Library, Split
from bot.services.sharing import Right
from finetune.errors import FineTuneError
from finetune.jobs import JobState
from finetune.parameters import Hyperparameters, Origin, optimiser_steps, presets, resolve
from finetune.providers.provider import Base, FineTune, Piece, Plan, Provider, Template, base_of, resumable
from storage.clock import now
from storage.database import Database
from storage.repositories import jobs, outbox
from storage.repositories.restored import end_key
from storage.tables import Job

DEFAULT_PRESET = "standard"
DEFAULT_SHARE = 0.1
DEFAULT_SEED = 42


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for; None means "as usual". ``image_flag``: a flag that only image datasets have."""

    dataset: int | None = None
    preset: str | None = None
    provider: str | None = None
    base: str | None = None
    values: Mapping[str, float] | None = None
    validation_share: float | None = None
    name: str | None = None
    seed: int | None = None
    image_flag: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Exactly what would run: the confirm card shows it, and its button starts nothing else."""

    held: Held
    provider: str
    base: Base
    preset: str
    values: Hyperparameters
    origins: Mapping[str, Origin]
    flags: Mapping[str, float]
    validation_share: float
    name: str
    seed: int
    split: Split
    plan: Plan

    def frozen(self) -> dict[str, Any]:
        """As plain data for the button."""
        return {
            "version": self.held.version.id,
            "provider": self.provider,
            "base": self.base.id,
            "preset": self.preset,
            "flags": dict(self.flags),
            "share": self.validation_share,
            "name": self.name,
            "seed": self.seed,
        }


class Training:
    """Plans and starts runs."""

    def __init__(self, database: Database, library: Library, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._library = library
        self.providers = providers

    async def plan(self, wish: Wish, member: Member) -> Run:
        """What would run. Raises ``UserError`` or ``FineTuneError``; starts nothing."""
        if wish.image_flag is not None and wish.dataset is None:
            raise UserError("images_no_provider")
        held = await self._library.get(wish.dataset, member, Right.TRAIN)
        if wish.image_flag is not None:
            raise UserError("flag_image_only", flag=wish.image_flag)
        preset = wish.preset or await self._last_preset(member)
        return await self._run(
            held,
            provider=wish.provider or next(iter(self.providers)),
            base=wish.base,
            preset=preset,
            flags=wish.values or {},
            share=DEFAULT_SHARE if wish.validation_share is None else wish.validation_share,
            name=wish.name or held.dataset.name,
            seed=DEFAULT_SEED if wish.seed is None else wish.seed,
        )

    async def thaw(self, frozen: Mapping[str, Any], member: Member) -> Run:
        """The run that a button was made for, planned anew for whoever pressed it."""
        held = await self._library.version(frozen["version"])
        await self._library.get(held.dataset.id, member, Right.TRAIN)
        return await self._run(
            held,
            provider=frozen["provider"],
            base=frozen["base"],
            preset=frozen["preset"],
            flags=frozen["flags"],
            share=frozen["share"],
            name=frozen["name"],
            seed=frozen["seed"],
        )

    async def rerun(self, job_id: int | None, member: Member) -> tuple[Job, Run]:
        """What a job trained once more: the same version of the data, seed and parameters. Raises ``UserError``."""
        job, _ = await self.get(job_id)
        await self._data_is_there(job)
        frozen = {
            "version": job.dataset_version_id,
            "provider": job.provider,
            "base": job.base,
            "preset": job.preset,
            "flags": job.hyperparameters,
            "share": job.validation_share,
            "name": job.name,
            "seed": job.seed,
        }
        return job, await self.thaw(frozen, member)

    async def _data_is_there(self, job: Job) -> None:
        held = await self._library.version(job.dataset_version_id)
        if held.dataset.deleted_at is not None or not self._library.canonical(held.version).is_file():
            raise UserError("job_data_gone", n=job.id)
        if job.data_digest and held.version.canonical_digest != job.data_digest:
            raise UserError("job_data_changed", n=job.id)

    async def checkpoint(self, job: Job) -> int | None:
        """The step after which a job that failed or was cancelled can go on; None if it cannot."""
        provider = resumable(self.providers.get(job.provider))
        if provider is None or job.handle is None or not JobState(job.state).resumable:
            return None
        try:
            return await provider.checkpoint(job.handle)
        except FineTuneError:
            return None

    async def may_resume(self, job_id: int | None, member: Member) -> tuple[Job, int]:
        """A job that this person may have go on, and after which step. Raises ``UserError`` with the reason."""
        job, _ = await self.get(job_id)
        if job.person_id != member.id and member.role < Role.LEAD:
            raise UserError("job_not_yours", n=job.id)
        if JobState(job.state) is JobState.SUCCEEDED:
            raise UserError("resume_succeeded", n=job.id)
        if not JobState(job.state).resumable:
            raise UserError("resume_open", n=job.id)
        await self._data_is_there(job)
        step = await self.checkpoint(job)
        if step is None:
            raise UserError("resume_no_checkpoint", n=job.id)
        return job, step

    async def resume(self, job: Job, step: int, card: MessageRef | None) -> Job:
        """Have it go on as its next attempt; the watcher does the rest. ``card``: the message to edit from now on.

        Raises ``UserError`` if it goes on already. The provider's side comes first: dying after it changes nothing
        that people see, and doing it again is harmless.
        """
        provider = resumable(self.providers[job.provider])
        assert provider is not None
        assert job.handle is not None
        async with self._database.transaction() as session:
            fresh = await jobs.get(session, job.id)
        if fresh is None or fresh.run != job.run:
            raise UserError("resume_open", n=job.id)
        attempt = await provider.reopen(job.handle, job.attempt + 1)
        values = {} if card is None else {"card_message": card.id}
        async with self._database.transaction() as session:
            if not await jobs.reopen(session, job, attempt, f"resumed after step {step}", **values):
                raise UserError("resume_open", n=job.id)
            await outbox.withdraw(session, end_key(job))
        found, _ = await self.get(job.id)
        return found

    async def _last_preset(self, member: Member) -> str:
        assert member.id is not None
        async with self._database.transaction() as session:
            last = await jobs.last_of(session, member.id)
        return last.preset if last else DEFAULT_PRESET

    async def _run(
        self,
        held: Held,
        *,
        provider: str,
        base: str | None,
        preset: str,
        flags: Mapping[str, float],
        share: float,
        name: str,
        seed: int,
    ) -> Run:
        chosen = self.providers.get(provider)
        if chosen is None:
            raise UserError("provider_unknown", value=provider, known=", ".join(self.providers))
        model = find_base(chosen, base)
        resolved = resolve(preset, model.recommended, flags, chosen.ranges)
        parts = await asyncio.to_thread(self._library.split, held.version, share, seed)
        if parts.training_rows == 0:
            raise UserError("no_training_rows")
        work = FineTune("plan", name, model.id, parts.training, parts.validation, resolved.values, seed)
        plan = await chosen.plan(work)
        return Run(
            held,
            provider,
            model,
            preset,
            resolved.values,
            resolved.origins,
            dict(flags),
            share,
            name,
            seed,
            parts,
            plan,
        )

    async def start(
        self,
        run: Run,
        member: Member,
        *,
        intent: str,
        line: str,
        place: Place,
        language: str,
        request: MessageRef | None,
        card: MessageRef | None,
    ) -> tuple[Job, bool]:
        """Store the intent; the watcher does the rest. The same intent again gives the first job, and False."""
        assert member.id is not None
        job = Job(
            key=job_key(intent),
            person_id=member.id,
            language=language,
            platform=place.platform,
            chat=place.chat,
            thread=place.thread,
            place_kind=place.kind.value,
            request_message=request.id if request else None,
            card_message=card.id if card else None,
            dataset_version_id=run.held.version.id,
            provider=run.provider,
            base=run.base.id,
            preset=run.preset,
            name=run.name,
            seed=run.seed,
            validation_share=run.validation_share,
            data_digest=run.held.version.canonical_digest,
            hyperparameters=run.values.as_dict(),
            line=line,
            plan=asdict(run.plan),
            state=JobState.QUEUED.value,
            word="",
            progress={},
            created_at=now(),
        )
        async with self._database.transaction() as session:
            return await jobs.create(session, job)

    async def pieces(self, messages: Sequence[Mapping[str, str]]) -> Sequence[Piece] | None:
        """A row as the first provider's first base will read it; None where nobody can tell."""
        provider = next(iter(self.providers.values()))
        if not isinstance(provider, Template):
            return None
        base = provider.bases[0]
        limit = int(resolve(DEFAULT_PRESET, base.recommended, {}).values.max_tokens)
        try:
            return await provider.pieces(base.id, messages, limit)
        except FineTuneError:
            return None  # the row is shown without the template then

    def steps(self, rows: int) -> dict[str, int]:
        """Optimiser steps by preset for so many rows, the usual share of them held out."""
        base = next(iter(self.providers.values())).bases[0]
        kept = rows - round(rows * DEFAULT_SHARE)
        return {name: optimiser_steps(kept, resolve(name, base.recommended, {}).values) for name in presets()}

    @property
    def recommended(self) -> Mapping[str, float]:
        """What the usual base puts in a preset's place."""
        return next(iter(self.providers.values())).bases[0].recommended

    async def has_card(self, ref: MessageRef) -> bool:
        """Whether a message is the card of a job."""
        async with self._database.transaction() as session:
            return await jobs.by_card(session, ref.place.platform, ref.place.chat, ref.id) is not None

    async def work(self, job: Job) -> FineTune:
        """What the provider is given for a job."""
        held = await self._library.version(job.dataset_version_id)
        parts = await asyncio.to_thread(self._library.split, held.version, job.validation_share, job.seed)
        values = Hyperparameters(**job.hyperparameters)
        return FineTune(job.key, job.name, job.base, parts.training, parts.validation, values, job.seed)

    async def get(self, job_id: int | None) -> tuple[Job, int]:
        """A job and how many are before it in the queue; the newest one for None. Raises ``UserError``."""
        async with self._database.transaction() as session:
            if job_id is None:
                found = await jobs.listing(session, 1)
                job = found[0] if found else None
            else:
                job = await jobs.get(session, job_id)
            if job is None:
                raise UserError("no_job") if job_id is None else UserError("job_unknown", n=job_id)
            return job, await jobs.place_in_queue(session, job)

    async def listing(self, limit: int = 15) -> list[Job]:
        """The newest jobs."""
        async with self._database.transaction() as session:
            return await jobs.listing(session, limit)

    async def log(self, job: Job) -> bytes:
        """The life of a job, ours and its provider's."""
        async with self._database.transaction() as session:
            life = await jobs.events(session, job.id)
        ours = [f"{event.at:%Y-%m-%d %H:%M:%S} UTC  {event.state}  {event.word}".rstrip() for event in life]
        theirs = b""
        if job.handle is not None:
            theirs = await self.providers[job.provider].log(job.handle)
        return "\n".join(ours).encode() + b"\n\n" + theirs

    async def cancel(self, job_id: int | None, member: Member) -> Job:
        """Ask for a job's end (one's own; a lead's or admin's: any). Without a number: one's newest open job."""
        async with self._database.transaction() as session:
            if job_id is None:
                mine = [job for job in await jobs.open_jobs(session) if job.person_id == member.id]
                if not mine:
                    raise UserError("no_open_job")
                job = mine[-1]
            else:
                found = await jobs.get(session, job_id)
                if found is None:
                    raise UserError("job_unknown", n=job_id)
                job = found
            if job.person_id != member.id and member.role < Role.LEAD:
                raise UserError("job_not_yours", n=job.id)
            if JobState(job.state).ended:
                raise UserError("job_ended", n=job.id)
            await jobs.note(session, job.id, cancel_requested=True)
            job.cancel_requested = True
        return job


def find_base(provider: Provider, wanted: str | None) -> Base:
    """The base that a person means: its id, its name, the part of it that no other has (``0.5b``), or a folder."""
    bases = provider.bases
    if wanted is None:
        return bases[0]
    for base in bases:
        if wanted.lower() in (base.id.lower(), base.name.lower()):
            return base
    if "/" in wanted:
        found = base_of(provider, wanted)
        if found is not None:
            return found
    parts = [base for base in bases if re.search(rf"(?<![\w.]){re.escape(wanted.lower())}(?![\w.])", base.id.lower())]
    if len(parts) == 1:
        return parts[0]
    raise FineTuneError("base_unknown", base=wanted[:60], known=", ".join(base.id for base in bases))


def job_key(intent: str) -> str:
    """A job's idempotency key: the same confirmed intent always gives the same."""
    return "job-" + hashlib.sha256(intent.encode()).hexdigest()[:20]
