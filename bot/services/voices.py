"""Who answers plain messages now: the live model, else the untuned base, asked exactly as it was trained."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from bot.answering.openai_model import OpenAIModel, client_of
from bot.services.releases import Releases
from bot.services.replies import Voice
from finetune.errors import ProviderError
from finetune.providers.provider import Provider
from storage.tables import TunedModel

log = logging.getLogger(__name__)


class Voices:
    """Opens voices on the providers' endpoints."""

    def __init__(self, releases: Releases, providers: Mapping[str, Provider]) -> None:
        self._releases = releases
        self._providers = providers
        self._warming: set[asyncio.Task[None]] = set()
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
    async def live(self) -> AsyncIterator[Voice]:
        """What everybody talks to."""
        async with self.of(await self._releases.live()) as voice:
            yield voice

    @asynccontextmanager
    async def of(self, model: TunedModel | None) -> AsyncIterator[Voice]:
        """A tuned model, or the default base for None. Raises ``ProviderError``."""
        name = model.provider if model else next(iter(self._providers), "")
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderError("provider_off", provider=name)
        base = provider.bases[0]
        async with (
            provider.endpoint(model.external_id if model else base.id) as endpoint,
            self._client(endpoint.base_url, endpoint.api_key) as client,
        ):
            yield Voice(
                label=f"{model.name} (v{model.version})" if model else base.name,
                system_prompt=model.system_prompt if model else "",
                sampling=model.sampling if model else base.sampling,
                window=endpoint.context,
                untuned=model is None,
                model=OpenAIModel(client, endpoint.model, endpoint.extra_body, prefills=endpoint.prefills),
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
