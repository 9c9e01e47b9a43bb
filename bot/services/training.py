"""From a person's words to a job: what would run, what it takes, and starting it once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.errors import UserError
from bot.chat.places import MessageRef, Place
from bot.services import approvals, money
from bot.services.access import Member, Role
from bot.services.approvals import Asked, Waits
from bot.services.image_runs import ImageRuns
from bot.services.images import HeldImages, ImageSets
from bot.services.library import Held, Library
from bot.services.runs import DEFAULT_PRESET, DEFAULT_SEED, DEFAULT_SHARE, Run, Wish, find_base
from bot.services.sharing import Right
from finetune.errors import FineTuneError
from finetune.images import Parameters as ImageParameters
from finetune.jobs import JobState
from finetune.parameters import Hyperparameters, optimiser_steps, presets, resolve
from finetune.providers.provider import FineTune, Piece, Provider, Template, resumable
from storage.database import Database
from storage.repositories import jobs, outbox
from storage.repositories.datasets import IMAGES
from storage.repositories.restored import end_key
from storage.tables import Job


@dataclass(frozen=True, slots=True)
class Queue:
    """How many jobs are before one, and how many seconds those take, as a range; None if that is not known."""

    jobs: int
    seconds: tuple[float, float] | None = None


NOBODY = Queue(0)
# Characters of a row; a preview shows the first few thousand.
_LONGEST_PREVIEWED = 100_000


class Training:
    """Plans and starts runs."""

    def __init__(
        self,
        database: Database,
        library: Library,
        providers: Mapping[str, Provider],
        images: ImageSets,
        *,
        two_people: bool = False,
    ) -> None:
        """``two_people``: what a lead starts needs another lead's approval, too, where one is needed at all."""
        self._database = database
        self._two_people = two_people
        self._images = images
        self._pictures = ImageRuns(images, providers)
        self._library = library
        self.providers = providers

    async def plan(self, wish: Wish, member: Member) -> Run:
        """What would run. Raises ``UserError`` or ``FineTuneError``; starts nothing."""
        wanted = wish.dataset
        if wish.image_flag is not None and wanted is None:
            pictures = await self._images.listing(member, 1)
            if not pictures or not self._pictures.possible:
                raise UserError("images_no_provider")
            wanted = pictures[0].dataset.id
        dataset, _ = await self._library.find(wanted, member, Right.TRAIN)
        if dataset.kind == IMAGES:
            preset = wish.preset or await self._last_preset(member)
            return await self._pictures.plan(wish, dataset.id, member, preset)
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
        if frozen.get("images"):
            pictures = await self._images.version(frozen["version"])
            await self._library.find(pictures.dataset.id, member, Right.TRAIN)
            return await self._pictures.thaw(frozen, pictures)
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
            "images": job.plan.get("images"),
        }
        return job, await self.thaw(frozen, member)

    async def elsewhere(self, job_id: int, provider: str, member: Member) -> Run:
        """What a job trained, at another provider: the data, split and seed of then, and that provider's own base."""
        job, _ = await self.get(job_id)
        await self._data_is_there(job)
        chosen = self.providers.get(provider)
        if job.plan.get("images"):
            raise UserError("images_no_provider")
        if chosen is None:
            raise UserError("provider_unknown", value=provider, known=", ".join(self.providers))
        same = [base.id for base in chosen.bases if base.id.rsplit("/", 1)[-1] == job.base.rsplit("/", 1)[-1]]
        frozen = {
            "version": job.dataset_version_id,
            "provider": provider,
            "base": same[0] if same else None,
            "preset": job.preset,
            "flags": {},
            "share": job.validation_share,
            "name": job.name,
            "seed": job.seed,
        }
        return await self.thaw(frozen, member)

    async def _data_is_there(self, job: Job) -> None:
        images = bool(job.plan.get("images"))
        held: Held | HeldImages = await (self._images if images else self._library).version(job.dataset_version_id)
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
            return await jobs.last_preset(session, member.id, presets()) or DEFAULT_PRESET

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
        if model.draws:
            raise UserError("base_draws", base=model.name)
        resolved = resolve(preset, model.recommended, flags, chosen.ranges)
        parts = await asyncio.to_thread(self._library.split, held.version, share, seed)
        if parts.training_rows == 0:
            raise UserError("no_training_rows")
        work = FineTune("plan", name, model.id, parts.training, parts.validation, resolved.values, seed)
        plan = await money.learned(self._database, await chosen.plan(work), provider, model.id)
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
        approval: tuple[int, Member] | None = None,
    ) -> tuple[Job, bool]:
        """Store the intent; the watcher does the rest. The same intent again gives the first job, and False.

        ``approval``: the number by which it waited, and the lead who approves it now, in the same transaction. Raises
        :class:`Waits` where a lead has to approve it first, other ``UserError`` where a budget is short.
        """
        assert member.id is not None
        job = run.job(intent, member.id, line=line, place=place, language=language, request=request, card=card)
        try:
            async with self._database.transaction() as session:
                stored, created = await jobs.create(session, job)
                if created:
                    by_lead = member.role >= Role.LEAD and not self._two_people
                    await money.reserve(session, stored, run.plan, lead=approval is not None or by_lead)
                if approval is not None:
                    await approvals.approve(session, *approval, stored)
                return stored, created
        except money.NeedsLead:
            # The job was taken back with the transaction; the run waits instead of it.
            asked = Asked(place.platform, place.chat, place.thread, place.kind.value, language, line,
                          job.request_message, job.card_message)  # fmt: skip
            async with self._database.transaction() as session:
                waits = await approvals.ask(session, intent, member.id, run.frozen(), asked, money.estimate(run.plan))
            raise Waits(*waits) from None

    async def pieces(self, messages: Sequence[Mapping[str, str]]) -> Sequence[Piece] | None:
        """A row as the first provider's first base will read it; None where nobody can tell."""
        provider = next(iter(self.providers.values()))
        # The tokenizer holds up everybody while it reads; of such a row nobody sees more than the beginning.
        if not isinstance(provider, Template) or sum(len(each["content"]) for each in messages) > _LONGEST_PREVIEWED:
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
    def draws(self) -> bool:
        """Whether any provider trains models that draw."""
        return self._pictures.possible

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
        if job.plan.get("images"):
            pictures = await self._images.version(job.dataset_version_id)
            archive = self._images.path(pictures.version.canonical_digest)
            values = Hyperparameters(**job.hyperparameters)
            images = ImageParameters(**job.plan["images"])
            return FineTune(job.key, job.name, job.base, archive, None, values, job.seed, images)
        held = await self._library.version(job.dataset_version_id)
        parts = await asyncio.to_thread(self._library.split, held.version, job.validation_share, job.seed)
        values = Hyperparameters(**job.hyperparameters)
        return FineTune(job.key, job.name, job.base, parts.training, parts.validation, values, job.seed)

    async def get(self, job_id: int | None) -> tuple[Job, Queue]:
        """A job and what is before it in the queue; the newest one for None. Raises ``UserError``."""
        async with self._database.transaction() as session:
            if job_id is None:
                found = await jobs.listing(session, 1)
                job = found[0] if found else None
            else:
                job = await jobs.get(session, job_id)
            if job is None:
                raise UserError("no_job") if job_id is None else UserError("job_unknown", n=job_id)
            if JobState(job.state).ended or job.handle is not None:
                return job, NOBODY
            return job, _queue(await jobs.before(session, job))

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


def _queue(before: Sequence[Job]) -> Queue:
    low = high = 0.0
    for job in before:
        left = (job.progress or {}).get("seconds_left")
        planned = job.plan.get("seconds")
        if left is not None:
            low, high = low + left, high + left
        elif planned:
            low, high = low + planned[0], high + planned[1]
        else:
            return Queue(len(before))
    return Queue(len(before), (low, high) if before else None)
