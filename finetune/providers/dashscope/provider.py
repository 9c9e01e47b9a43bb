"""The provider: found by its job's name before it is made, followed by polling, deployed by the token when agreed."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError
from finetune.jobs import JobState
from finetune.providers.abilities import Assumption, Check, Event
from finetune.providers.dashscope import assumptions
from finetune.providers.dashscope.files import upload
from finetune.providers.dashscope.pages import pages
from finetune.providers.faults import odd, shortened
from finetune.providers.followed import DeployedWhenAgreed
from finetune.providers.handles import unpack
from finetune.providers.provider import Endpoint, Failure, FineTune, Status
from finetune.providers.wire import Wire

_JOBS = "/api/v1/fine-tunes"
_DEPLOYMENTS = "/api/v1/deployments"
# The only plan that costs nothing while nobody asks; no other is ever chosen here.
_PLAN = "lora"
_LINES = 1000


class DashScopeProvider(DeployedWhenAgreed):
    """``folder``: for notes about what is under way. ``base_url``: another region's."""

    name = "dashscope"

    def __init__(
        self,
        key: str,
        folder: Path,
        *,
        base_url: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        seconds: float | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(self.name, folder, clock=clock, wall_clock=wall_clock, seconds=seconds)
        self._key = key
        limits = aiohttp.ClientTimeout(total=timeout, connect=10)
        self._wire = Wire(self.name, base_url or self.profile.base_url, key, timeout=limits)

    async def find(self, mark: str) -> str | None:
        """By the end of its name."""
        async with aclosing(pages(self._wire, _JOBS, "output", "jobs")) as rows:
            async for row in rows:
                if str(row.get("job_name") or "").endswith(mark) and row.get("job_id"):
                    return str(row["job_id"])
        return None

    async def create(self, job: FineTune, name: str, mark: str) -> str:
        """Upload what is not there, then ask for the job."""
        body = self.profile.body(job.hyperparameters, job.seed)
        body |= {"model": job.base, "job_name": name, "finetuned_output_suffix": name[-8:]}
        body["training_file_ids"] = [await upload(self._wire, job.training_file, f"{name}-train")]
        if job.validation_file is not None:
            body["validation_file_ids"] = [await upload(self._wire, job.validation_file, f"{name}-held-out")]
        made = _output(self._wire, await self._wire.json("POST", _JOBS, body=body))
        if not isinstance(made.get("job_id"), str):
            raise odd(self.name, "a job without an id")
        return str(made["job_id"])

    async def read(self, identifier: str) -> Mapping[str, Any]:
        """The job."""
        job = _output(self._wire, await self._wire.json("GET", f"{_JOBS}/{identifier}"))
        if not isinstance(job.get("status"), str):
            raise odd(self.name, "a job without a status")
        return job

    async def trained(self, job: Mapping[str, Any], identifier: str, before: JobState) -> Status:
        """By its status, with its tokens."""
        word = str(job["status"])
        state = self.profile.state(word, before)
        failure = None
        if state is JobState.FAILED:
            words = shortened(f"{job.get('code') or ''} {job.get('message') or ''}")
            failure = Failure("provider_failed", {"provider": self.name, "reason": words or word}, words)
        usage = job.get("usage")
        return Status(state, word, trained_tokens=usage if isinstance(usage, int) else None, failure=failure)

    async def served(self, handle: str, job: Mapping[str, Any], facts: Mapping[str, str], trained: Status) -> Status:
        """Deployed by the token, once somebody agreed."""
        tuned = job.get("finetuned_output")
        if not isinstance(tuned, str) or not tuned:
            return replace(trained, state=JobState.RUNNING, word="SUCCEEDED, without a model yet")
        if not facts.get("deploy"):
            return self.waiting(handle, trained)
        deployed = await self._deployed(tuned)
        word = str(deployed.get("status") or "")
        model = deployed.get("deployed_model")
        if word == "RUNNING" and isinstance(model, str):
            return replace(trained, word=word, model=model)
        if word == "FAILED":
            reason = shortened(f"{deployed.get('code') or ''} {deployed.get('message') or ''}") or word
            failure = Failure("deploy_failed", {"provider": self.name, "reason": reason})
            return replace(trained, state=JobState.FAILED, word=word, failure=failure)
        return replace(trained, state=JobState.DEPLOYING, word=word)

    async def _deployed(self, tuned: str) -> dict[str, Any]:
        """The deployment of a tuned model, made if there is none."""
        async with aclosing(pages(self._wire, _DEPLOYMENTS, "output", "deployments")) as rows:
            async for row in rows:
                if row.get("model_name") == tuned:
                    return row
        note = f"deploying-{tuned}".replace("/", "_")
        self._notes.begin(note, self.name)
        body = {"model_name": tuned, "capacity": 1, "plan": _PLAN}
        try:
            made = _output(self._wire, await self._wire.json("POST", _DEPLOYMENTS, body=body))
        except ProviderError as error:
            self._notes.failed(note, error)
            raise
        self._notes.drop(note)
        return made

    async def log(self, handle: str) -> bytes:
        """Its log."""
        return b"".join(f"{event.message}\n".encode() for event in await self.events(handle))

    async def events(self, handle: str) -> Sequence[Event]:
        """The lines of its log, oldest first; they carry no time of their own."""
        query = {"offset": "0", "line": str(_LINES)}
        answer = await self._wire.json("GET", f"{_JOBS}/{unpack(handle)[0]}/logs", query=query)
        output = answer.get("output")
        lines = output.get("logs") if isinstance(output, dict) else output
        if isinstance(lines, str):
            lines = lines.splitlines()
        return [Event(None, "info", str(line)) for line in lines] if isinstance(lines, list) else []

    async def end(self, identifier: str) -> None:
        """Cancel it."""
        await self._wire.json("POST", f"{_JOBS}/{identifier}/cancel")

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Its compatible mode."""
        yield Endpoint(self._chat_url, self._key, model, self.profile.base(model).context)

    @property
    def _chat_url(self) -> str:
        return self._wire.base_url + self.profile.chat_url

    async def reach(self) -> Check:
        """Whether the key is taken."""
        return await assumptions.reach(self._wire)

    async def assumptions(self) -> Sequence[Assumption]:
        """DS1 to DS4, tried against the account."""
        return await assumptions.all_of(self._wire)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()


def _output(wire: Wire, answer: Mapping[str, Any]) -> dict[str, Any]:
    found = answer.get("output")
    if not isinstance(found, dict):
        raise odd(wire.provider, "no output")
    return found
