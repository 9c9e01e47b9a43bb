"""Watches jobs: submits what waits, follows what runs, and stores every change of state with what it tells people.

Training happens elsewhere. This can die at any line and be started again: a job's folder (or its provider) says what
is, the database says what was promised, and each change is one transaction.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from bot.chat.places import MessageRef
from bot.services import notices
from bot.services.training import Training
from finetune.errors import FineTuneError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.provider import Failure, Provider, Status, base_of
from storage.clock import now
from storage.database import Database
from storage.repositories import jobs, models, outbox
from storage.repositories.restored import end_key
from storage.tables import Job

log = logging.getLogger(__name__)

PERIOD = 1.0  # seconds between two looks
_MOST_ATTEMPTS = 3
_AT_ONCE = 1
_QUIET = 30.0  # seconds without a sign of life after which a card is shown anew although nothing changed
_ANSWERS_KEPT = 30.0  # seconds between two notes that a provider answered that tells no heartbeat


class Watch:
    """One loop over all open jobs."""

    def __init__(
        self,
        database: Database,
        training: Training,
        notices_wake: Callable[[], None],
        show: Callable[[MessageRef, Job], Awaitable[None]],
        system_prompt: Callable[[Job], Awaitable[str]],
        *,
        period: float = PERIOD,
    ) -> None:
        self._database = database
        self._training = training
        self._wake_notices = notices_wake
        self._show = show
        self._system_prompt = system_prompt
        self._period = period
        self._wake = asyncio.Event()
        self._silent: set[str] = set()
        # Notices that may have been sent before a restore; read once.
        self._held: set[str] | None = None

    def wake(self) -> None:
        """A job was made or is to be cancelled: look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Look at every open job, for ever."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except Exception:
                log.exception("looking at the jobs failed; the next look comes in %g s", self._period)
            try:
                # Not wait_for: until Python 3.12 it swallows a cancellation that comes with the event.
                async with asyncio.timeout(self._period):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """One look at every open job."""
        async with self._database.transaction() as session:
            open_jobs = await jobs.open_jobs(session)
            if self._held is None:
                self._held = await outbox.held(session)
        busy: dict[str, int] = {}
        answered: set[str] = set()
        failing: dict[str, ProviderUnavailable] = {}
        for job in open_jobs:
            if job.handle is not None:
                busy[job.provider] = busy.get(job.provider, 0) + 1
        for job in open_jobs:
            try:
                if job.handle is not None:
                    await self._follow(job)
                    answered.add(job.provider)
                elif job.cancel_requested:
                    await self._end(job, JobState.CANCELLED, "cancelled before it began")
                elif busy.get(job.provider, 0) < _AT_ONCE:
                    busy[job.provider] = busy.get(job.provider, 0) + 1
                    await self._submit(job)
                    answered.add(job.provider)
            except ProviderUnavailable as error:
                failing[job.provider] = error
                await self._show_silence(job)
            except FineTuneError as error:
                failure = Failure(error.code, {name: str(value) for name, value in error.fields.items()})
                await self._end(job, JobState.FAILED, error.code, failure=asdict(failure))
        self._note(answered, failing)

    def _note(self, answered: set[str], failing: Mapping[str, ProviderUnavailable]) -> None:
        """Log once when a provider stops answering and once when it recovers; half an answer is neither."""
        for provider in failing.keys() - answered - self._silent:
            self._silent.add(provider)
            log.warning("provider %s does not answer (%s)", provider, failing[provider].code)
        for provider in self._silent & answered - failing.keys():
            self._silent.discard(provider)
            log.info("provider %s answers again", provider)

    async def _show_silence(self, job: Job) -> None:
        """Its card tells since when nothing was heard; more is not known, and nothing is concluded from it."""
        if job.card_message is not None and job.handle is not None:
            await self._show(MessageRef(notices.job_place(job), job.card_message), job)

    def _provider(self, job: Job) -> Provider:
        provider = self._training.providers.get(job.provider)
        if provider is None:
            raise ProviderUnavailable("provider_off", provider=job.provider)
        return provider

    async def _submit(self, job: Job) -> None:
        provider = self._provider(job)
        handle = await provider.submit(await self._training.work(job), job.attempt)
        async with self._database.transaction() as session:
            await jobs.note(session, job.id, handle=handle)
        job.handle = handle
        log.info("job %s submitted to %s, attempt %s", job.id, job.provider, job.attempt)
        await self._follow(job)

    async def _follow(self, job: Job) -> None:
        assert job.handle is not None
        provider = self._provider(job)
        status = await provider.status(job.handle)
        if job.cancel_requested and not status.state.ended:
            await provider.cancel(job.handle)
            status = await provider.status(job.handle)
        if not status.lost and not status.state.ended:
            await self._not_told_yet(job)
        if status.lost and not status.state.ended:
            await self._next_attempt(job, provider, status)
        elif status.state.ended:
            await self._ended(job, provider, status)
        else:
            await self._progress(job, status)

    async def _not_told_yet(self, job: Job) -> None:
        """After a restore: a job that runs cannot have been told as ended, so its end will be news."""
        key = end_key(job)
        if self._held and key in self._held:
            async with self._database.transaction() as session:
                await outbox.release(session, key)
            self._held.discard(key)

    async def _next_attempt(self, job: Job, provider: Provider, status: Status) -> None:
        if job.cancel_requested:
            await self._end(job, JobState.CANCELLED, status.word)
        elif job.attempt >= _MOST_ATTEMPTS:
            failure = Failure("trainer_crashed", {}, status.word)
            await self._end(job, JobState.FAILED, status.word, failure=asdict(failure))
        else:
            log.warning("job %s: attempt %s ended without a result; the next one resumes it", job.id, job.attempt)
            attempt = job.attempt + 1
            # Submitted before it is stored: submitting the same attempt again starts nothing.
            handle = await provider.submit(await self._training.work(job), attempt)
            async with self._database.transaction() as session:
                await jobs.move(
                    session,
                    job.id,
                    JobState(job.state),
                    JobState(job.state),
                    f"attempt {attempt}",
                    attempt=attempt,
                    handle=handle,
                )

    async def _progress(self, job: Job, status: Status) -> None:
        before = JobState(job.state)
        progress = progress_of(status)
        async with self._database.transaction() as session:
            if status.state is not before:
                moved = await jobs.move(session, job.id, before, status.state, status.word, progress=progress)
                if not moved:
                    return
            elif progress != job.progress or status.word != job.word:
                await jobs.note(session, job.id, progress=progress, word=status.word)
            elif status.heartbeat_age is None or status.heartbeat_age < _QUIET:
                return
        job.state, job.word, job.progress = status.state.value, status.word, progress
        if job.card_message is not None:
            await self._show(MessageRef(notices.job_place(job), job.card_message), job)

    async def _ended(self, job: Job, provider: Provider, status: Status) -> None:
        values: dict[str, Any] = {"progress": progress_of(status)}
        if status.failure is not None:
            values["failure"] = asdict(status.failure)
        if status.state is JobState.SUCCEEDED:
            assert status.model is not None
            values["model"] = status.model
            values["prompt"] = await self._system_prompt(job)
            base = base_of(provider, job.base)
            values["sampling"] = base.sampling if base else {}
            values["losses"] = status.validation_loss
        await self._end(job, status.state, status.word, **values)

    async def _end(self, job: Job, state: JobState, word: str, **values: Any) -> None:
        """One transaction: the state, the model, the notice and the card's last edit."""
        made = {name: values.pop(name) for name in ("model", "prompt", "sampling", "losses") if name in values}
        async with self._database.transaction() as session:
            if not await jobs.move(session, job.id, JobState(job.state), state, word, **values):
                return
            fresh = await jobs.get(session, job.id)
            assert fresh is not None
            if state is JobState.SUCCEEDED:
                before, after = made["losses"] or (None, None)
                await models.create(
                    session,
                    fresh,
                    made["model"],
                    system_prompt=made["prompt"],
                    sampling=dict(made["sampling"]),
                    validation_before=before,
                    validation_after=after,
                )
            payload = {"job": job.id}
            await notices.edit(session, fresh, f"job:{job.id}:card:{state.value}:{fresh.run}", "job", payload)
            if not await outbox.doubt(session, end_key(fresh)):
                await notices.push(session, fresh, end_key(fresh), "done", payload)
        log.info("job %s %s", job.id, state.value)
        self._wake_notices()


def progress_of(status: Status) -> dict[str, Any]:
    """What a card shows of a status, as plain data."""
    facts = {
        "step": status.step,
        "steps": status.steps,
        "loss": status.loss,
        "losses": [list(point) for point in status.losses],
        "tokens_per_second": status.tokens_per_second,
        "seconds_left": status.seconds_left,
        "trained_tokens": status.trained_tokens,
        "validation_loss": list(status.validation_loss) if status.validation_loss else None,
    }
    if status.heartbeat_age is not None:
        # In whole seconds: the same heartbeat seen twice is no news.
        facts["heard"] = round(now().timestamp() - status.heartbeat_age)
    elif not status.state.ended:
        # Where nothing beats, the answer itself is the sign of life.
        facts["heard"] = now().timestamp() // _ANSWERS_KEPT * _ANSWERS_KEPT
    return facts
