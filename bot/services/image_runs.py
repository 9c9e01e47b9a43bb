"""Runs on sets of pictures: planned like any other, at a provider with a base that draws."""

from collections.abc import Mapping
from typing import Any

from bot.chat.errors import UserError
from bot.services.access import Member
from bot.services.images import HeldImages, ImageSets
from bot.services.library import Split
from bot.services.runs import DEFAULT_SEED, Run, Wish
from finetune.images import Parameters as ImageParameters
from finetune.parameters import resolve
from finetune.providers.provider import Base, FineTune, Provider


class ImageRuns:
    """Plans them. Who may train on what is asked before."""

    def __init__(self, images: ImageSets, providers: Mapping[str, Provider]) -> None:
        self._images = images
        self._providers = providers

    @property
    def possible(self) -> bool:
        """Whether any provider has a base that draws."""
        return any(self._drawing(name) for name in self._providers)

    async def plan(self, wish: Wish, dataset_id: int, member: Member, preset: str) -> Run:
        """What would run. Raises ``UserError``; starts nothing."""
        if not self.possible:
            raise UserError("dataset_is_images", n=dataset_id)
        held = await self._images.get(dataset_id, member)
        assert held is not None
        return await self._run(
            held,
            provider=wish.provider or next((name for name in self._providers if self._drawing(name)), ""),
            base=wish.base,
            preset=preset,
            flags=wish.values or {},
            name=wish.name or held.dataset.name,
            seed=DEFAULT_SEED if wish.seed is None else wish.seed,
            images=ImageParameters.checked(wish.trigger, wish.repeats),
        )

    async def thaw(self, frozen: Mapping[str, Any], held: HeldImages) -> Run:
        """The run that a button was made for, planned anew."""
        return await self._run(
            held,
            provider=frozen["provider"],
            base=frozen["base"],
            preset=frozen["preset"],
            flags=frozen["flags"],
            name=frozen["name"],
            seed=frozen["seed"],
            images=ImageParameters(**frozen["images"]),
        )

    def _drawing(self, provider: str) -> list[Base]:
        found = self._providers.get(provider)
        return [base for base in found.bases if base.draws] if found else []

    async def _run(
        self,
        held: HeldImages,
        *,
        provider: str,
        base: str | None,
        preset: str,
        flags: Mapping[str, float],
        name: str,
        seed: int,
        images: ImageParameters,
    ) -> Run:
        drawing = self._drawing(provider)
        wanted = [found for found in drawing if base is None or base.lower() in found.id.lower()]
        if not wanted:
            raise UserError("images_no_provider")
        if not held.version.canonical_digest:
            raise UserError("dataset_has_errors", n=held.dataset.id, number=held.version.number)
        resolved = resolve(preset, wanted[0].recommended, flags, self._providers[provider].ranges)
        archive = self._images.path(held.version.canonical_digest)
        parts = Split(archive, None, held.report.images_total, 0)
        work = FineTune("plan", name, wanted[0].id, archive, None, resolved.values, seed, images)
        plan = await self._providers[provider].plan(work)
        return Run(held, provider, wanted[0], preset, resolved.values, resolved.origins, dict(flags), 0.0, name, seed,
                   parts, plan, images)  # fmt: skip
