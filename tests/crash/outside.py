"""A provider's truth over HTTP, in the process that is never killed, and the bot's side of it."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Self

import aiohttp
from aiohttp import web

from finetune.errors import ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import Range, optimiser_steps, ranges
from finetune.providers.provider import Base, Endpoint, Failure, FineTune, Plan, Status
from tests.fakes.provider import Trainings

_BASE = Base("base/small", "Small", 2048, "MIT", ("en",), {}, {"max_tokens": 64})


class Outside:
    """Serves trainings. A share of requests is refused, or its answer lost before or after it was done."""

    def __init__(self, *, trouble: float = 0.0, seed: int = 0) -> None:
        self.trainings = Trainings()
        self._trouble = trouble
        self._dice = random.Random(seed)  # noqa: S311 - the same bad day every time
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/submit", self._submit)
        app.router.add_get("/status/{key}", self._status)
        app.router.add_post("/cancel/{key}", self._cancel)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def _weather(self, request: web.Request, *, done: bool) -> None:
        luck = self._dice.random()
        if not done and luck < self._trouble / 2:
            raise web.HTTPTooManyRequests
        if luck < self._trouble and request.transport is not None:
            request.transport.abort()

    async def _submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self._weather(request, done=False)
        key, attempt = str(asked["key"]), int(asked["attempt"])
        if (key, attempt) not in self.trainings.started:
            self.trainings.started.append((key, attempt))
            self.trainings.statuses[key] = Status(JobState.RUNNING, "training", heartbeat_age=0.0)
        self._weather(request, done=True)
        return web.json_response({"handle": key})

    async def _status(self, request: web.Request) -> web.Response:
        self._weather(request, done=False)
        return web.json_response(asdict(self.trainings.statuses[request.match_info["key"]]))

    async def _cancel(self, request: web.Request) -> web.Response:
        self.trainings.cancelled.append(request.match_info["key"])
        return web.json_response({})


class OutsideProvider:
    """The bot's side."""

    name = "outside"

    def __init__(self, address: str, endpoint: Endpoint) -> None:
        self.bases: Sequence[Base] = (_BASE,)
        self.ranges: Mapping[str, Range] = ranges()
        self._address = address
        self._endpoint = endpoint

    async def plan(self, job: FineTune) -> Plan:
        """What a run takes."""
        rows = len(job.training_file.read_text("utf-8").splitlines())
        return Plan(optimiser_steps(rows, job.hyperparameters), 100 * rows, True, (60, 120), None, True)

    async def submit(self, job: FineTune, attempt: int) -> str:
        """Start an attempt; the same once more starts nothing."""
        return str((await self._call("POST", "submit", {"key": job.key, "attempt": attempt}))["handle"])

    async def status(self, handle: str) -> Status:
        """Where it is."""
        found = await self._call("GET", f"status/{handle}")
        failure = found.pop("failure", None)
        losses = tuple((step, loss) for step, loss in found.pop("losses", ()))
        validation = found.pop("validation_loss", None)
        state = JobState(found.pop("state"))
        return Status(
            state,
            losses=losses,
            failure=Failure(**failure) if failure else None,
            validation_loss=tuple(validation) if validation else None,
            **found,
        )

    async def log(self, handle: str) -> bytes:
        """Nothing worth reading."""
        return b"log\n"

    async def cancel(self, handle: str) -> None:
        """Wish for the end."""
        await self._call("POST", f"cancel/{handle}")

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Where models answer."""
        yield self._endpoint

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session,
                session.request(method, f"{self._address}/{path}", json=body) as response,
            ):
                if response.status != 200:
                    raise ProviderUnavailable("unreachable")
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProviderUnavailable("unreachable") from error
