"""Watches jobs: submits what waits, follows what runs, and stores every change of state with what it tells people.

Training happens elsewhere. This can die at any line and be started again: a job's folder (or its provider) says what
is, the database says what was promised, and each change is one transaction.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.services import notices
from bot.services.leases import Leases
from bot.services.training import Training
from finetune.errors import FineTuneError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.abilities import parallel
from finetune.providers.provider import Failure, Provider, Status, base_of
from storage import hints
from storage.clock import now
from storage.database import Database, away
from storage.repositories import jobs, models, outbox
from storage.repositories.leases import LeaseLost, guard
from storage.repositories.restored import end_key
from storage.tables import Job

log = logging.getLogger(__name__)

PERIOD = 1.0  # seconds between two looks at a job that changes
_LONGEST = 30.0  # seconds between two looks, at most
# Of the time that has passed without news, or without any answer, so much passes until the next look.
_NO_NEWS, _NO_ANSWER = 0.05, 0.5
_JITTER = 0.2
_AT_ONCE = 8  # questions to one provider; and so many uploads, beside them
_MOST_ATTEMPTS = 3
_QUIET = 30.0  # seconds without a sign of life after which a card is shown anew although nothing changed
_ANSWERS_KEPT = 30.0  # seconds between two notes that a provider answered that tells no heartbeat

Show = Callable[[Job], Awaitable[None]]


@dataclass(slots=True)
class _Patience:
    """When a job is looked at next: soon while there is news, ever later while there is none."""

    since: float
    due: float = 0.0

    def news(self, at: float, period: float) -> None:
        """Something has changed."""
        self.since, self.due = at, at + period

    def none(self, at: float, period: float, share: float) -> None:
        """Nothing has changed, or nothing was answered."""
        wait = min(_LONGEST, max(period, share * (at - self.since)))
        # Jobs that began together must not be asked for together for ever.
        self.due = at + wait * random.uniform(1 - _JITTER, 1)  # noqa: S311


class Watch:
    """A loop for each provider, in the process that has its lease."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        training: Training,
        notices_wake: Callable[[], None],
        show: Show,
        system_prompt: Callable[[Job], Awaitable[str]],
        *,
        period: float = PERIOD,
        at_once: Mapping[str, int] | None = None,
    ) -> None:
        """``at_once``: how many jobs a provider is given at a time, if not as many as it says; the rest wait here."""
        self._database = database
        self._leases = leases
        self._training = training
        self._wake_notices = notices_wake
        self._show = show
        self._system_prompt = system_prompt
        self._period = period
        self._at_once = at_once or {}
        self._wakes = {name: asyncio.Event() for name in training.providers}
        # By provider and job; a provider's own loop keeps its part to what is open.
        self._patience: dict[str, dict[int, _Patience]] = {name: {} for name in training.providers}
        # An upload takes minutes: it must not hold up the news, nor the cancelling, of other jobs.
        self._in_hand: dict[str, dict[int, asyncio.Task[bool]]] = {name: {} for name in training.providers}
        self._asking = {name: asyncio.Semaphore(_AT_ONCE) for name in training.providers}
        self._submitting = {name: asyncio.Semaphore(_AT_ONCE) for name in training.providers}
        self._calls: set[asyncio.Task[None]] = set()
        self._silent: set[str] = set()
        self._blind: set[str] = set()
        # Notices that may have been sent before a restore; read once.
        self._held: set[str] | None = None

    def wake(self) -> None:
        """A job was made or is to be cancelled: have whichever process watches it look at once."""
        self.woken()
        if any(not self._leases.has(watch_lease(name)) for name in self._training.providers):
            task = asyncio.get_running_loop().create_task(self._call())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _call(self) -> None:
        try:
            async with self._database.transaction() as session:
                await hints.give(session, "watch")
        except Exception as error:
            if not away(error):
                raise

    def woken(self) -> None:
        """There is something to look at, or its provider has told something."""
        for name in self._wakes:
            self._all_due(name)
        for event in self._wakes.values():
            event.set()

    def _all_due(self, provider: str) -> None:
        for patience in self._patience[provider].values():
            patience.due = 0.0

    async def run(self) -> None:
        """Look at every open job, for ever."""
        await asyncio.gather(self._tell_orphans(), *(self._keep(name) for name in self._training.providers))

    async def _tell_orphans(self) -> None:
        """Say once what nobody can watch."""
        try:
            async with self._database.transaction() as session:
                providers = {job.provider for job in await jobs.open_jobs(session)}
        except Exception as error:
            # The jobs that can be watched must be, whether or not this can be told.
            log.error("which jobs nobody watches is not known", exc_info=None if away(error) else error)
            return
        for name in sorted(providers - set(self._training.providers)):
            log.warning("there are open jobs of %s, which is not set up: nothing can be said of them", name)

    async def _keep(self, provider: str) -> None:
        wake = self._wakes[provider]
        try:
            while True:
                wake.clear()
                pause = self._period
                try:
                    pause = await self._look(provider, self._period)
                except LeaseLost:
                    log.info("the jobs of %s are watched by another process", provider)
                except Exception as error:
                    if not away(error):
                        log.exception("looking at the jobs of %s failed; the next look comes in %g s", provider, pause)
                    elif provider not in self._blind:
                        self._blind.add(provider)
                        log.warning("the jobs of %s wait for the database (%s)", provider, type(error).__name__)
                else:
                    self._blind.discard(provider)
                # Not wait_for: until Python 3.12 it swallows a cancellation that comes with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await wake.wait()
        finally:
            in_hand = self._in_hand[provider].values()
            for task in in_hand:
                task.cancel()
            await asyncio.gather(*in_hand, return_exceptions=True)

    async def look(self) -> None:
        """Look at every open job now, but for those that another process watches."""
        for provider in self._training.providers:
            self._all_due(provider)
            await self._look(provider, None)

    async def _look(self, provider: str, patience: float | None) -> float:
        """One look at the open jobs of a provider whose time has come. What takes longer than so many seconds goes on
        beside. Returns the seconds until the next look.
        """
        in_hand = self._in_hand[provider]
        if await self._leases.hold(watch_lease(provider)):
            followed = await self._followed(provider)
            known = self._patience[provider]
            for job in followed:
                if job.id not in in_hand and known[job.id].due <= time.monotonic():
                    in_hand[job.id] = asyncio.create_task(self._one(job, known[job.id]))
            if in_hand:
                await asyncio.wait(in_hand.values(), timeout=patience)
        else:
            followed = []
        done = [job_id for job_id, task in in_hand.items() if task.done()]
        tasks = [in_hand.pop(job_id) for job_id in done]
        self._seen(provider, await asyncio.gather(*tasks, return_exceptions=True))
        # Not those that wait for their place: nothing of theirs becomes due by itself.
        due = (self._patience[provider][job.id].due for job in followed if job.id not in in_hand)
        return min(self._period, max(0.0, min(due, default=float("inf")) - time.monotonic()))

    async def _followed(self, provider: str) -> list[Job]:
        """The open jobs of a provider, but for those that wait until it has done with others."""
        async with self._database.transaction() as session:
            open_jobs = [job for job in await jobs.open_jobs(session) if job.provider == provider]
            if self._held is None:
                self._held = await outbox.held(session)
        now_ = time.monotonic()
        former = self._patience[provider]
        self._patience[provider] = {job.id: former.get(job.id) or _Patience(now_) for job in open_jobs}
        in_hand = self._in_hand[provider]
        begun = sum(job.handle is not None or job.id in in_hand for job in open_jobs)
        most = self._at_once.get(provider, parallel(self._training.providers[provider]))
        followed: list[Job] = []
        for job in open_jobs:
            if job.handle is None and not job.cancel_requested and job.id not in in_hand:
                if begun >= most:
                    continue
                begun += 1
            followed.append(job)
        return followed

    def _seen(self, provider: str, outcomes: Sequence[bool | BaseException]) -> None:
        """What became of some looks at single jobs. Raises what nobody expects."""
        answered = any(outcome is True for outcome in outcomes)
        failing = next((each for each in outcomes if isinstance(each, ProviderUnavailable)), None)
        self._note(provider, failing, answered=answered)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, ProviderUnavailable):
                raise outcome

    async def _one(self, job: Job, patience: _Patience) -> bool:
        """Look at a job. True if its provider was asked and answered. Raises ``ProviderUnavailable``."""
        gates = self._asking if job.handle is not None or job.cancel_requested else self._submitting
        async with gates[job.provider]:
            before = (job.state, job.word, job.progress, job.handle)
            try:
                if job.handle is not None:
                    await self._follow(job)
                elif job.cancel_requested:
                    await self._end(job, JobState.CANCELLED, "cancelled before it began")
                    return False
                else:
                    await self._submit(job)
            except ProviderUnavailable:
                patience.none(time.monotonic(), self._period, _NO_ANSWER)
                await self._show(job)
                raise
            except FineTuneError as error:
                failure = Failure(error.code, {name: str(value) for name, value in error.fields.items()})
                await self._end(job, JobState.FAILED, error.code, failure=asdict(failure))
            if (job.state, job.word, job.progress, job.handle) != before:
                patience.news(time.monotonic(), self._period)
            else:
                patience.none(time.monotonic(), self._period, _NO_NEWS)
            return True

    def _note(self, provider: str, failing: ProviderUnavailable | None, *, answered: bool) -> None:
        """Log once when a provider stops answering and once when it recovers; half an answer is neither."""
        if failing is not None and not answered and provider not in self._silent:
            self._silent.add(provider)
            log.warning("provider %s does not answer (%s)", provider, failing.code)
        elif answered and failing is None and provider in self._silent:
            self._silent.discard(provider)
            log.info("provider %s answers again", provider)

    def _provider(self, job: Job) -> Provider:
        provider = self._training.providers.get(job.provider)
        if provider is None:
            raise ProviderUnavailable("provider_off", provider=job.provider)
        return provider

    @asynccontextmanager
    async def _storing(self, job: Job) -> AsyncIterator[AsyncSession]:
        """A transaction that is stored only while this process is the one that watches. Raises ``LeaseLost``."""
        async with self._database.transaction() as session:
            await guard(session, watch_lease(job.provider), self._leases.replica)
            yield session

    async def _submit(self, job: Job) -> None:
        provider = self._provider(job)
        handle = await provider.submit(await self._training.work(job), job.attempt)
        async with self._storing(job) as session:
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
            async with self._storing(job) as session:
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
            async with self._storing(job) as session:
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
        async with self._storing(job) as session:
            if status.state is not before:
                moved = await jobs.move(session, job.id, before, status.state, status.word, progress=progress)
                if not moved:
                    return
            elif progress != job.progress or status.word != job.word:
                await jobs.note(session, job.id, progress=progress, word=status.word)
            elif status.heartbeat_age is None or status.heartbeat_age < _QUIET:
                return
        job.state, job.word, job.progress = status.state.value, status.word, progress
        await self._show(job)

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
        async with self._storing(job) as session:
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


def watch_lease(provider: str) -> str:
    """The name of the lease on the watching of a provider's jobs."""
    return f"watch:{provider}"
