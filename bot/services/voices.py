"""Who answers plain messages now: the live model, else the untuned base, asked exactly as it was trained."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from openai import AsyncOpenAI

from bot.answering.openai_model import OpenAIModel, client_of
from bot.services.releases import Releases, label_of
from bot.services.replies import Voice
from bot.services.trials import Trials
from finetune.errors import ProviderError
from finetune.providers.provider import Endpoint, Provider, base_of
from storage.tables import TunedModel

log = logging.getLogger(__name__)


Chosen = Callable[[int], Awaitable[str | None]]


async def _nobody(_conversation_id: int) -> str | None:
    return None


class Voices:
    """Opens voices on the providers' endpoints."""

    def __init__(
        self,
        releases: Releases,
        providers: Mapping[str, Provider],
        trials: Trials | None = None,
        persona: Chosen = _nobody,
    ) -> None:
        """``persona``: the system prompt that people chose for a conversation, if they did."""
        self._persona = persona
        self._releases = releases
        self._trials = trials
        self._providers = providers
        self._warming: set[asyncio.Task[None]] = set()
        # Answers that this machine is making for people now.
        self._speaking = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._clients: dict[tuple[str, str], tuple[AsyncOpenAI, int]] = {}

    def warm(self, model: TunedModel | None) -> None:
        """Have a model that was just chosen ready for its first question, in the background."""
        task = asyncio.get_running_loop().create_task(self._warm(model))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _warm(self, model: TunedModel | None) -> None:
        try:
            async with self.of(model):
                pass
        except ProviderError as error:
            # The first question meets the same error and tells it to whoever asked.
            log.info("a chosen model could not be made ready: %s", error.code)

    async def close(self) -> None:
        """Give up what is being made ready, close what is open."""
        for task in tuple(self._warming):
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        for client, _ in self._clients.values():
            await client.close()
        self._clients.clear()

    @asynccontextmanager
    async def live(self, conversation_id: int | None = None) -> AsyncIterator[Voice]:
        """What everybody talks to; of a conversation, what that one does (a trial, a canary's share)."""
        chosen = None
        if self._trials is not None and conversation_id is not None:
            chosen = await self._trials.chosen(conversation_id)
        persona = None if conversation_id is None else await self._persona(conversation_id)
        async with self.of(chosen or await self._releases.live()) as voice:
            yield voice if persona is None else replace(voice, system_prompt=persona)

    async def quiet(self) -> None:
        """Return when this machine makes no answer for anybody."""
        await self._quiet.wait()

    @contextmanager
    def _heard(self, endpoint: Endpoint) -> Iterator[None]:
        self._speaking += endpoint.here
        if self._speaking:
            self._quiet.clear()
        try:
            yield
        finally:
            self._speaking -= endpoint.here
            if not self._speaking:
                self._quiet.set()

    def draws(self, model: TunedModel) -> bool:
        """Whether a model makes pictures: nobody can talk to it."""
        provider = self._providers.get(model.provider)
        base = base_of(provider, model.base) if provider else None
        return base is not None and base.draws

    @asynccontextmanager
    async def of(self, model: TunedModel | None) -> AsyncIterator[Voice]:
        """A tuned model, or the default base for None. Raises ``ProviderError``."""
        name = model.provider if model else next(iter(self._providers), "")
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderError("provider_off", provider=name)
        untuned = next(iter(provider.bases), None)
        if model is None and untuned is None:
            raise ProviderError("base_needed", provider=name)
        if model is not None and self.draws(model):
            raise ProviderError("model_draws", model=model.name)
        known = model.base if model else untuned.id if untuned else ""
        async with (
            provider.endpoint(model.external_id if model else known) as endpoint,
            self._client(endpoint.base_url, endpoint.api_key) as client,
        ):
            with self._heard(endpoint):
                yield Voice(
                    label=label_of(model) if model else untuned.name if untuned else "",
                    system_prompt=model.system_prompt if model else "",
                    sampling=model.sampling if model else untuned.sampling if untuned else {},
                    window=endpoint.context,
                    untuned=model is None,
                    model=OpenAIModel(client, endpoint.model, endpoint.extra_body, prefills=endpoint.prefills),
                    provider=name,
                    base=known,
                )

    @asynccontextmanager
    async def _client(self, base_url: str, api_key: str) -> AsyncIterator[AsyncOpenAI]:
        """A client that all who ask the same endpoint share, and its connections with it, as long as one of them is
        there and until another endpoint is asked.
        """
        key = (base_url, api_key)
        client, users = self._clients.get(key) or (client_of(base_url, api_key), 0)
        self._clients[key] = (client, users + 1)
        try:
            yield client
        finally:
            client, users = self._clients[key]
            self._clients[key] = (client, users - 1)
            for other, (unused, count) in list(self._clients.items()):
                if not count and other != key:
                    del self._clients[other]
                    await unused.close()
