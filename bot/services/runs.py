"""What somebody asks to be trained, and exactly what would run."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot.chat.places import MessageRef, Place
from bot.services.images import HeldImages
from bot.services.library import Held, Split
from finetune.errors import FineTuneError
from finetune.images import Parameters as ImageParameters
from finetune.jobs import JobState
from finetune.parameters import Hyperparameters, Origin
from finetune.providers.provider import Base, Plan, Provider, base_of
from storage.clock import now
from storage.tables import Job

DEFAULT_PRESET = "standard"
DEFAULT_SHARE = 0.1
DEFAULT_SEED = 42
# The one that is there without any setting.
DEFAULT_PROVIDER = "local"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for; None means "as usual". ``image_flag``: a flag that only image datasets have."""

    dataset: int | None = None
    preset: str | None = None
    provider: str | None = None
    base: str | None = None
    values: Mapping[str, float] | None = None
    validation_share: float | None = None
    name: str | None = None
    seed: int | None = None
    image_flag: str | None = None
    trigger: str = ""
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """Exactly what would run: the confirm card shows it, and its button starts nothing else."""

    held: Held | HeldImages
    provider: str
    base: Base
    preset: str
    values: Hyperparameters
    origins: Mapping[str, Origin]
    flags: Mapping[str, float]
    validation_share: float
    name: str
    seed: int
    split: Split
    plan: Plan
    images: ImageParameters | None = None

    def frozen(self) -> dict[str, Any]:
        """As plain data for the button."""
        return {
            "version": self.held.version.id,
            "provider": self.provider,
            "base": self.base.id,
            "preset": self.preset,
            "flags": dict(self.flags),
            "share": self.validation_share,
            "name": self.name,
            "seed": self.seed,
            "images": asdict(self.images) if self.images else None,
        }

    def job(
        self,
        intent: str,
        person_id: int,
        *,
        line: str,
        place: Place,
        language: str,
        request: MessageRef | None,
        card: MessageRef | None,
    ) -> Job:
        """The job of a confirmed intent, not stored yet."""
        return Job(
            key=job_key(intent),
            person_id=person_id,
            language=language,
            platform=place.platform,
            chat=place.chat,
            thread=place.thread,
            place_kind=place.kind.value,
            request_message=request.id if request else None,
            card_message=card.id if card else None,
            dataset_version_id=self.held.version.id,
            provider=self.provider,
            base=self.base.id,
            preset=self.preset,
            name=self.name,
            seed=self.seed,
            validation_share=self.validation_share,
            data_digest=self.held.version.canonical_digest,
            hyperparameters=self.values.as_dict(),
            line=line,
            plan={**asdict(self.plan), **({"images": asdict(self.images)} if self.images else {})},
            state=JobState.QUEUED.value,
            word="",
            progress={},
            created_at=now(),
        )


def find_base(provider: Provider, wanted: str | None) -> Base:
    """The base that a person means: its id, its name, the part of it that no other has (``0.5b``), or a folder."""
    bases = provider.bases
    if wanted is None:
        if not bases:
            raise FineTuneError("base_needed", provider=provider.name)
        return bases[0]
    for base in bases:
        if wanted.lower() in (base.id.lower(), base.name.lower()):
            return base
    if "/" in wanted or not bases:
        # Where no list is known, whatever is asked for is the provider's to judge.
        found = base_of(provider, wanted)
        if found is not None:
            return found
    parts = [base for base in bases if re.search(rf"(?<![\w.]){re.escape(wanted.lower())}(?![\w.])", base.id.lower())]
    if len(parts) == 1:
        return parts[0]
    raise FineTuneError("base_unknown", base=wanted[:60], known=", ".join(base.id for base in bases))


def job_key(intent: str) -> str:
    """A job's idempotency key: the same confirmed intent always gives the same."""
    return "job-" + hashlib.sha256(intent.encode()).hexdigest()[:20]
