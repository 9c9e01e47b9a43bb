"""What every provider with an interface for jobs shares, whatever it is asked over: a job is found by its tag, made
once and followed at its provider's pace; it ends when its provider says so, and by nothing else.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import Range
from finetune.providers import estimates
from finetune.providers.abilities import Check, HandOver
from finetune.providers.faults import only_later
from finetune.providers.handles import pack, told, unpack
from finetune.providers.notes import Notes
from finetune.providers.pace import Pace
from finetune.providers.profiles import profile
from finetune.providers.provider import Base, FineTune, Plan, Status, Terms
from finetune.providers.tags import tag, task_name


class FollowedProvider(ABC):
    """``folder``: for notes about what is under way. ``seconds`` between two questions, if not the profile's."""

    name: str

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        seconds: float | None = None,
    ) -> None:
        self.name = name
        self.profile = profile(name)
        self.bases: Sequence[Base] = self.profile.bases
        self.ranges: Mapping[str, Range] = self.profile.ranges
        self.unsettable = self.profile.unsettable
        self.parallel = self.profile.parallel
        self._notes = Notes(folder, wall_clock)
        pause = self.profile.poll_seconds if seconds is None else seconds
        self._pace: Pace[Status] = Pace(pause, clock)
        self._submits: Pace[str] = Pace(pause, clock)
        self._known: dict[str, JobState] = {}
        self._given_up: set[str] = set()

    @abstractmethod
    async def find(self, mark: str) -> str | None:
        """The id of the job with this tag, if there is one."""

    @abstractmethod
    async def create(self, job: FineTune, name: str, mark: str) -> str:
        """Make the job of this name and tag; return its id."""

    @abstractmethod
    async def read(self, identifier: str) -> Mapping[str, Any]:
        """The job as its provider tells it."""

    @abstractmethod
    async def trained(self, job: Mapping[str, Any], identifier: str, before: JobState) -> Status:
        """How its training stands. ``before``: how it stood, for words that are not known."""

    @abstractmethod
    async def served(self, handle: str, job: Mapping[str, Any], facts: Mapping[str, str], trained: Status) -> Status:
        """From trained to answering."""

    @abstractmethod
    async def end(self, identifier: str) -> None:
        """Ask for the end."""

    async def plan(self, job: FineTune) -> Plan:
        """What the run would take. Raises ``ProviderError`` for what would surely be refused."""
        return await asyncio.to_thread(estimates.plan, job, self.profile)

    async def submit(self, job: FineTune, attempt: int) -> str:
        """Find the job by its tag, else make it. After a lost answer it is looked for until it must be there."""
        mark = tag(job.key, attempt)
        return await self._submits.ask(mark, lambda: self._submit(job, attempt, mark))

    async def _submit(self, job: FineTune, attempt: int, mark: str) -> str:
        estimates.check(job, self.profile, self.profile.least_rows)
        name = task_name(job.name, job.key, attempt)
        found = await self.find(mark)
        if found is None:
            self._notes.begin(name, self.name)
            try:
                found = await self.create(job, name, mark)
            except ProviderError as error:
                self._notes.failed(name, error)
                raise
        self._notes.drop(name)
        return pack(found, base=job.base, task=name)

    async def status(self, handle: str) -> Status:
        """How it stands, asked no more often than the profile says. Raises ``ProviderUnavailable`` only."""
        return await self._pace.ask(handle, lambda: self._status(handle))

    async def _status(self, handle: str) -> Status:
        with only_later():
            identifier, facts = unpack(handle)
            try:
                job = await self.read(identifier)
            except ProviderError as error:
                if error.code != "provider_missing":
                    raise
                if handle in self._given_up:
                    return Status(JobState.CANCELLED, "gone, given up here")
                raise ProviderUnavailable("job_vanished", provider=self.name, job=identifier) from error
            found = await self.trained(job, identifier, self._known.get(handle, JobState.QUEUED))
            if found.state is JobState.SUCCEEDED:
                found = await self.served(handle, job, facts, found)
            self._known[handle] = found.state
            return found

    def waiting(self, handle: str, trained: Status) -> Status:
        """Trained, and nobody has told yet that or where it is to answer."""
        if handle in self._given_up:
            return replace(trained, state=JobState.CANCELLED, word="trained, given up before it was deployed")
        return replace(trained, state=JobState.AWAITING_OPERATOR)

    async def cancel(self, handle: str) -> None:
        """Ask for the end. One that is over or gone stays as it is."""
        self._given_up.add(handle)
        try:
            await self.end(unpack(handle)[0])
        except ProviderUnavailable:
            raise
        except ProviderError as error:
            if error.code not in ("provider_missing", "provider_refused", "provider_conflict"):
                raise ProviderUnavailable(error.code, **error.fields) from error
        finally:
            self._pace.now(handle)


class DeployedWhenAgreed(FollowedProvider):
    """One that deploys by its interface, which somebody has to agree to."""

    def terms(self, base: str) -> Terms | None:
        """What serving takes beside the training."""
        return self.profile.terms(base)

    def agree(self, handle: str) -> str:
        """Deploy it once it is trained."""
        return told(handle, deploy="yes")

    def agreed(self, handle: str) -> bool:
        """Whether somebody agreed."""
        return bool(unpack(handle)[1].get("deploy"))


class DeployedByHand(FollowedProvider):
    """One whose models a person deploys in its console, and whose list of bases may not be known."""

    @abstractmethod
    async def check(self, model: str) -> Check:
        """Ask for one token."""

    def base(self, identifier: str) -> Base:
        """A listed base; where the list is not known, any. Raises :class:`ProviderError`."""
        found = self.profile.base(identifier)
        if found not in self.bases and not self.profile.any_base:
            raise ProviderError("base_unknown", base=identifier[:60], known=", ".join(base.id for base in self.bases))
        return found

    def hand_over(self, job: FineTune, handle: str) -> HandOver:
        """What an operator deploys in the console."""
        identifier, facts = unpack(handle)
        return HandOver(facts["task"], self.profile.console, job.base, (("Fine-tuning job", identifier),), ())

    def started(self, handle: str) -> str:
        """Trainings start by themselves here."""
        return handle

    def bind(self, handle: str, model: str) -> str:
        """The name that the deployment was given. Raises ``ProviderError`` ``bind_form``."""
        plain = model.strip()
        if not plain or any(letter.isspace() for letter in plain) or len(plain) > 200:
            raise ProviderError("bind_form", id=plain[:120])
        return told(handle, model=plain)

    async def bound(self, trained: Status, model: str) -> Status:
        """Whether the deployment that somebody named answers."""
        check = await self.check(model)
        if check.ready:
            return replace(trained, word="ready", model=model)
        return replace(trained, state=JobState.DEPLOYING, word=f"{check.code}: {check.detail}".rstrip(": "))
