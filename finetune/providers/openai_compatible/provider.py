"""The provider: finds its job before it makes one, follows it by polling, deploys where that is a step of its own."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openai import InvalidWebhookSignatureError

from finetune.errors import ProviderError
from finetune.jobs import JobState
from finetune.providers.abilities import Assumption, Check, Checkpoint, Event
from finetune.providers.faults import odd
from finetune.providers.followed import DeployedByHand, DeployedWhenAgreed
from finetune.providers.handles import unpack
from finetune.providers.openai_compatible import assumptions, nebius
from finetune.providers.openai_compatible.files import upload
from finetune.providers.openai_compatible.reading import (
    checkpoints_of,
    events_of,
    is_ours,
    losses_of,
    status_of,
)
from finetune.providers.openai_compatible.sdk import Sdk, rows_of
from finetune.providers.provider import Endpoint, FineTune, Status
from finetune.providers.wire import Wire

_PAGE = 100
_PAGES = 10


class OpenAICompatibleProvider(DeployedWhenAgreed, DeployedByHand):
    """One profile of this shape. ``folder``: for notes about what is under way."""

    def __init__(
        self,
        name: str,
        key: str,
        folder: Path,
        *,
        base_url: str = "",
        webhook_secret: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        seconds: float | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(name, folder, clock=clock, wall_clock=wall_clock, seconds=seconds)
        self.webhook_secret = webhook_secret
        self.serves_by_hand = self.profile.deployment is not None and self.profile.deployment.by == "console"
        address = base_url or self.profile.base_url
        self._key = key
        self._sdk = Sdk(name, address, key, seconds=timeout)
        parts = urlsplit(address)
        self._wire = Wire(name, f"{parts.scheme}://{parts.netloc}", key)

    async def find(self, mark: str) -> str | None:
        """By the tag in its metadata, its request id or its suffix."""
        query: dict[str, Any] = {"limit": _PAGE}
        if self.profile.options.get("finds_by") == "metadata":
            query["extra_query"] = {"metadata[tuneteller]": mark}
        for _ in range(_PAGES):
            asked = dict(query)
            answer = await self._sdk.json(partial(_listed, asked))
            rows = rows_of(self.name, answer)
            for row in rows:
                if is_ours(row, mark) and row.get("id"):
                    return str(row["id"])
            if not answer.get("has_more") or not rows:
                return None
            query["after"] = rows[-1].get("id")
        return None

    async def create(self, job: FineTune, name: str, mark: str) -> str:
        """Upload what is not there, then ask for the job."""
        training = await upload(self._sdk, job.training_file, f"{name}-train")
        held_out = None
        if job.validation_file is not None:
            held_out = await upload(self._sdk, job.validation_file, f"{name}-held-out")
        body = self.profile.body(job.hyperparameters, job.seed)
        method = body.get("method")
        if method is not None:
            method["type"] = "supervised"
        if self.profile.options.get("finds_by") == "request_id":
            body["request_id"] = mark
        else:
            body["metadata"] = {"tuneteller": mark}
        answer = await self._sdk.json(
            lambda c: c.fine_tuning.jobs.with_raw_response.create(
                model=job.base,
                training_file=training,
                **({"validation_file": held_out} if held_out else {}),
                suffix=name,
                extra_body=body,
            )
        )
        if not isinstance(answer.get("id"), str):
            raise odd(self.name, "a job without an id")
        return str(answer["id"])

    async def read(self, identifier: str) -> Mapping[str, Any]:
        """The job."""
        job = await self._sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.retrieve(identifier))
        if not isinstance(job.get("status"), str):
            raise odd(self.name, "a job without a status")
        return job

    async def trained(self, job: Mapping[str, Any], identifier: str, before: JobState) -> Status:
        """By its status, with the losses of its events."""
        return status_of(self.profile, job, before, await self._losses(identifier))

    async def served(self, handle: str, job: Mapping[str, Any], facts: Mapping[str, str], trained: Status) -> Status:
        """From trained to answering."""
        step = self.profile.deployment
        if step is None:
            model = job.get("fine_tuned_model")
            if not model:
                return _with(trained, JobState.RUNNING, "succeeded, without a model yet")
            return _with(trained, JobState.SUCCEEDED, trained.word, str(model))
        model = facts.get("model")
        if step.by == "console" and model:
            return await self.bound(trained, model)
        if step.by == "console" or not facts.get("deploy"):
            return self.waiting(handle, trained)
        rows = await self._checkpoint_rows(str(job["id"]))
        placed = await nebius.deploy(self._wire, self._notes, job, rows, facts["task"])
        return _with(trained, placed.state, placed.word, placed.model, placed.failure)

    async def log(self, handle: str) -> bytes:
        """Its events as lines."""
        return b"".join(f"{event.level}  {event.message}\n".encode() for event in await self.events(handle))

    async def events(self, handle: str) -> Sequence[Event]:
        """The provider's events, oldest first."""
        return events_of(await self._event_rows(unpack(handle)[0]))

    async def checkpoints(self, handle: str) -> Sequence[Checkpoint]:
        """Step, id and losses of each."""
        return checkpoints_of(await self._checkpoint_rows(unpack(handle)[0]))

    async def _event_rows(self, identifier: str) -> list[dict[str, Any]]:
        answer = await self._sdk.json(
            lambda c: c.fine_tuning.jobs.with_raw_response.list_events(identifier, limit=_PAGE)
        )
        return rows_of(self.name, answer)

    async def _checkpoint_rows(self, identifier: str) -> list[dict[str, Any]]:
        answer = await self._sdk.json(lambda c: c.fine_tuning.jobs.checkpoints.with_raw_response.list(identifier))
        return rows_of(self.name, answer)

    async def _losses(self, identifier: str) -> list[tuple[int, float]]:
        try:
            return losses_of(await self._event_rows(identifier))
        except ProviderError:
            return []  # the curve is missing then, the state is not

    async def end(self, identifier: str) -> None:
        """Cancel it."""
        await self._sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.cancel(identifier))

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Its chat completions, where its jobs are."""
        yield Endpoint(self._sdk.base_url, self._key, model, self.profile.base(model).context)

    def bind(self, handle: str, model: str) -> str:
        """The name that the deployment was given. Raises ``ProviderError`` ``bind_form`` or ``bind_needless``."""
        if not self.serves_by_hand:
            raise ProviderError("bind_needless", provider=self.name)
        return super().bind(handle, model)

    async def check(self, model: str) -> Check:
        """Ask for one token."""
        return await assumptions.one_token(self._sdk, model)

    def notified(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """The job that a signed post is about. Raises ``webhook_forged``; one that was not signed is forged."""
        try:
            self._sdk.client.webhooks.verify_signature(body, dict(headers), secret=self.webhook_secret)
            news = json.loads(body)
            about = news["type"], news["data"]["id"]
        except (InvalidWebhookSignatureError, ValueError, KeyError, TypeError) as error:
            raise ProviderError("webhook_forged", provider=self.name) from error
        if not str(about[0]).startswith("fine_tuning.job."):
            return None
        for handle in self._known:
            if unpack(handle)[0] == about[1]:
                self._pace.now(handle)
        return str(about[1])

    async def reach(self) -> Check:
        """Whether the key is taken."""
        return await assumptions.reach(self._sdk)

    async def assumptions(self) -> Sequence[Assumption]:
        """OC1 to OC5, tried against the account."""
        return await assumptions.all_of(self._sdk, self._wire, self.profile)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._sdk.close()
        await self._wire.close()


def _listed(query: Mapping[str, Any], client: Any) -> Any:
    return client.fine_tuning.jobs.with_raw_response.list(**query)


def _with(trained: Status, state: JobState, word: str, model: str | None = None, failure: Any = None) -> Status:
    return replace(trained, state=state, word=word, model=model, failure=failure)
