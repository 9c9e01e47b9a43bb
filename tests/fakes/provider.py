"""A provider whose world is kept outside of the bot: it goes on while bots die, and counts what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import Range, optimiser_steps, ranges
from finetune.providers.profiles import Profile
from finetune.providers.provider import Base, Endpoint, Failure, FineTune, Plan, Status


@dataclass
class Trainings:
    """The truth: what runs at the provider. Never dies."""

    started: list[tuple[str, int]] = field(default_factory=list)
    statuses: dict[str, Status] = field(default_factory=dict)
    jobs: dict[str, FineTune] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    silent: bool = False
    refuses: ProviderError | None = None
    lose_next_reply: bool = False
    checkpoint: int | None = None
    # What is given to it now takes until this is set, as an upload does.
    uploaded: asyncio.Event | None = None
    submitted: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_started(self, count: int) -> None:
        """Wait until so many attempts were started."""
        async with self.submitted:
            await asyncio.wait_for(self.submitted.wait_for(lambda: len(self.started) >= count), 20)

    def step(self, step: int, steps: int = 10) -> None:
        """All running trainings are at this step."""
        for key, status in self.statuses.items():
            if not status.state.ended:
                losses = tuple((n, 3.0 - n / steps) for n in range(1, step + 1))
                self.statuses[key] = replace(
                    status,
                    state=JobState.RUNNING,
                    word="training",
                    step=step,
                    steps=steps,
                    losses=losses,
                    loss=losses[-1][1] if losses else None,
                    lost=False,
                )

    def finish(self, losses: tuple[float, float] | None = (3.0, 1.0)) -> None:
        """All running trainings succeed; held-out ``losses`` before and after."""
        for key, status in self.statuses.items():
            if not status.state.ended:
                self.statuses[key] = replace(
                    status,
                    state=JobState.SUCCEEDED,
                    word="finished",
                    step=10,
                    steps=10,
                    lost=False,
                    model=f"tuned:{key}",
                    validation_loss=losses,
                    trained_tokens=1234,
                )

    def fail(self, code: str = "out_of_memory") -> None:
        """All running trainings fail."""
        for key, status in self.statuses.items():
            if not status.state.ended:
                self.statuses[key] = replace(
                    status, state=JobState.FAILED, word="failed", lost=False, failure=Failure(code)
                )

    def lose(self) -> None:
        """All running trainings die without a word."""
        for key, status in self.statuses.items():
            if not status.state.ended:
                self.statuses[key] = replace(status, lost=True)


class ScriptedProvider:
    """The bot's side of it."""

    name = "scripted"

    def __init__(self, world: Trainings, endpoint: Endpoint | None = None) -> None:
        self.world = world
        self.bases: Sequence[Base] = (
            Base(
                "base/small",
                "Small",
                2048,
                "MIT",
                ("en",),
                recommended={"learning_rate": 2e-3, "batch_size": 4},
                sampling={"temperature": 0.5, "max_tokens": 64},
            ),
            Base("base/Other-7B", "Other 7B", 2048, "MIT", ("en",)),
        )
        self.ranges: Mapping[str, Range] = ranges()
        self.profile: Profile | None = None
        self._endpoint = endpoint

    async def plan(self, job: FineTune) -> Plan:
        rows = len(job.training_file.read_text("utf-8").splitlines())
        return Plan(optimiser_steps(rows, job.hyperparameters), 100 * rows, True, (60, 120), None, True)

    async def submit(self, job: FineTune, attempt: int) -> str:
        self._answer()
        if self.world.uploaded is not None:
            await self.world.uploaded.wait()
        if (job.key, attempt) not in self.world.started:
            self.world.started.append((job.key, attempt))
            self.world.jobs[job.key] = job
            self.world.statuses[job.key] = Status(JobState.RUNNING, "loading", heartbeat_age=0.0)
            async with self.world.submitted:
                self.world.submitted.notify_all()
        if self.world.lose_next_reply:
            self.world.lose_next_reply = False
            raise ProviderUnavailable("unreachable")
        return job.key

    async def status(self, handle: str) -> Status:
        self._answer()
        return self.world.statuses[handle]

    async def log(self, handle: str) -> bytes:
        return f"log of {handle}\n".encode()

    async def cancel(self, handle: str) -> None:
        self._answer()
        self.world.cancelled.append(handle)
        status = self.world.statuses[handle]
        self.world.statuses[handle] = replace(status, state=JobState.CANCELLED, word="cancelled")

    async def checkpoint(self, handle: str) -> int | None:
        self._answer()
        return self.world.checkpoint

    async def reopen(self, handle: str, attempt: int) -> int:
        self._answer()
        return attempt

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        if self._endpoint is None:
            raise ProviderError("provider_off", provider=self.name)
        yield replace(self._endpoint, model=model)

    def _answer(self) -> None:
        if self.world.silent:
            raise ProviderUnavailable("unreachable")
        if self.world.refuses is not None:
            raise self.world.refuses
