"""Who answers plain messages now: the live model, else the untuned base, asked exactly as it was trained."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bot.answering.openai_model import OpenAIModel
from bot.services.releases import Releases
from bot.services.replies import Voice
from finetune.errors import ProviderError
from finetune.providers.provider import Provider
from storage.tables import TunedModel


class Voices:
    """Opens voices on the providers' endpoints."""

    def __init__(self, releases: Releases, providers: Mapping[str, Provider]) -> None:
        self._releases = releases
        self._providers = providers

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
        async with provider.endpoint(model.external_id if model else base.id) as endpoint:
            speaker = OpenAIModel(endpoint.base_url, endpoint.api_key, endpoint.model, endpoint.extra_body)
            try:
                yield Voice(
                    label=f"{model.name} (v{model.version})" if model else base.name,
                    system_prompt=model.system_prompt if model else "",
                    sampling=model.sampling if model else base.sampling,
                    window=endpoint.context,
                    untuned=model is None,
                    model=speaker,
                )
            finally:
                await speaker.close()
