"""What providers share that are asked over plain HTTP and deploy in their console."""

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError
from finetune.jobs import JobState
from finetune.providers.abilities import Check
from finetune.providers.faults import odd, shortened
from finetune.providers.followed import DeployedByHand
from finetune.providers.provider import Endpoint, Failure, Status
from finetune.providers.wire import Wire

_CHECKS = {
    "provider_key": "key",
    "provider_forbidden": "forbidden",
    "provider_missing": "missing",
    "provider_busy": "busy",
    "provider_unreachable": "unreachable",
    "provider_lost": "unreachable",
    "provider_refused": "refused",
}


class PolledProvider(DeployedByHand):
    """See :class:`finetune.providers.followed.FollowedProvider`."""

    name: str
    serves_by_hand = True

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

    @abstractmethod
    def said(self, job: Mapping[str, Any]) -> tuple[str, str]:
        """(its word, why it failed) of a job."""

    @abstractmethod
    def progress(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fields of a status that a job tells."""

    @property
    @abstractmethod
    def chat(self) -> Wire:
        """Where models answer."""

    async def trained(self, job: Mapping[str, Any], identifier: str, before: JobState) -> Status:
        """By its word."""
        word, reason = self.said(job)
        if not word:
            raise odd(self.name, "a job without a state")
        state = self.profile.state(word, before)
        failure = None
        if state is JobState.FAILED:
            told = shortened(reason) or word
            failure = Failure("provider_failed", {"provider": self.name, "reason": told}, told)
        return Status(state, word, failure=failure, **self.progress(job))

    async def served(self, handle: str, job: Mapping[str, Any], facts: Mapping[str, str], trained: Status) -> Status:
        """Once its deployment in the console is named and answers."""
        model = facts.get("model")
        return self.waiting(handle, trained) if model is None else await self.bound(trained, model)

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Its chat completions."""
        yield Endpoint(self.chat.base_url, self._key, model, self.profile.base(model).context)

    async def check(self, model: str) -> Check:
        """Ask for one token."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        try:
            await self.chat.json("POST", "/chat/completions", body=body)
        except ProviderError as error:
            return Check(False, _CHECKS.get(error.code, "down"), words(error))
        return Check(True, "ready")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()
        if self.chat is not self._wire:
            await self.chat.close()


def words(error: ProviderError) -> str:
    """What a provider said, for a finding."""
    return f"{error.fields.get('status', '')} {error.fields.get('detail', '')}".strip()
