"""What a run at a remote provider will take, from the files, the profile and the price list."""

import json
import re
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from finetune.datasets.lengths import ESTIMATE_HIGH, ESTIMATE_LOW, Lengths
from finetune.datasets.vocabularies import is_installed, shipped_for
from finetune.errors import ProviderError
from finetune.images import Parameters, is_picture
from finetune.parameters import optimiser_steps
from finetune.providers.profiles import Profile
from finetune.providers.provider import FineTune, Plan, Price

# Tokens that a chat template adds to each message (ChatML).
_MARKERS = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """A published price for a million trained tokens."""

    provider: str
    base: str
    per_million_low: float
    per_million_high: float
    currency: str
    source: str
    dated: str

    def price(self, low: float, high: float) -> Price:
        """Of so many tokens, at least and at most."""
        return Price(
            self.per_million_low * low / 1e6, self.per_million_high * high / 1e6, self.currency, self.source, self.dated
        )


@dataclass(frozen=True, slots=True)
class ChatRate:
    """What a million tokens of questions and of answers cost. Without a currency: nothing, on one's own machine."""

    provider: str
    base: str
    per_million_prompt: float
    per_million_completion: float
    currency: str
    source: str
    dated: str

    def price(self, prompt: int, completion: int) -> float:
        """Of so many tokens, in the currency's unit."""
        return (self.per_million_prompt * prompt + self.per_million_completion * completion) / 1e6


@cache
def _list() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("finetune.providers").joinpath("prices.toml").read_text("utf-8"))


@cache
def _rates() -> tuple[Rate, ...]:
    return tuple(Rate(**entry) for entry in _list().get("price", ()))


@cache
def _chat_rates() -> tuple[ChatRate, ...]:
    return tuple(ChatRate(**entry) for entry in _list().get("chat", ()))


def chat_rate(provider: str, base: str) -> ChatRate | None:
    """What talking to a model of this base costs, if that is published."""
    return next((r for r in _chat_rates() if r.provider == provider and re.fullmatch(r.base, base)), None)


def rate(provider: str, base: str) -> Rate | None:
    """The published price, if there is one."""
    return next((r for r in _rates() if r.provider == provider and re.fullmatch(r.base, base)), None)


@dataclass(frozen=True, slots=True)
class Measured:
    """A file of chat messages. ``tokens``: of one epoch after the cut; it surely lies between ``low`` and ``high``."""

    rows: int
    tokens: int
    low: int
    high: int
    exact: bool
    cut: int


def measure(file: Path, base: str, max_tokens: int) -> Measured:
    """Count a file's rows and tokens, exactly where a package has the base's vocabulary. Blocking."""
    vocabulary = shipped_for(_hub_name(base)) if is_installed() else None
    lengths = Lengths(vocabulary, markers=_MARKERS)
    with file.open("rb") as lines:
        for line in lines:
            lengths.add(json.loads(line)["messages"], len(line))
    found = lengths.result()
    tokens = int(found.rows.clip(max=max_tokens).sum())
    low, high = (1.0, 1.0) if found.exact else (ESTIMATE_LOW, ESTIMATE_HIGH)
    cut = int((found.rows > max_tokens).sum())
    return Measured(len(found.rows), tokens, round(tokens * low), round(tokens * high), found.exact, cut)


def plan(job: FineTune, profile: Profile) -> Plan:
    """The plan of a run. Blocking. Raises :class:`ProviderError` for what this provider would surely refuse."""
    values = job.hyperparameters
    if job.images is not None:
        return _of_pictures(job, job.images, profile)
    found = measure(job.training_file, job.base, int(values.max_tokens))
    check(job, profile, found.rows)
    published = rate(profile.name, job.base)
    price = published.price(found.low * values.epochs, found.high * values.epochs) if published else None
    settable = {parameter.ours for parameter in profile.parameters}
    return Plan(
        steps=optimiser_steps(found.rows, values),
        tokens=found.tokens,
        tokens_exact=found.exact,
        seconds=None,
        price=price,
        free=False,
        # Where the length cannot be set it is not ours that cuts.
        cut_rows=found.cut if "max_tokens" in settable else 0,
        unsettable=profile.unsettable,
        terms=profile.terms(job.base),
        sunsets=profile.sunsets_of(job.base),
        operated=profile.wire == "siliconflow",
    )


def _of_pictures(job: FineTune, images: Parameters, profile: Profile) -> Plan:
    with zipfile.ZipFile(job.training_file) as archive:
        pictures = sum(is_picture(Path(name)) for name in archive.namelist())
    values = job.hyperparameters
    return Plan(
        steps=images.steps_per_epoch(pictures, int(values.batch_size)) * int(values.epochs),
        tokens=None,
        tokens_exact=False,
        seconds=None,
        price=None,
        free=False,
        unsettable=profile.unsettable,
        sunsets=profile.sunsets_of(job.base),
        operated=profile.wire == "siliconflow",
    )


def check(job: FineTune, profile: Profile, rows: int) -> None:
    """Raise :class:`ProviderError` ``provider_rows`` or ``provider_file_size``."""
    if rows < profile.least_rows:
        raise ProviderError("provider_rows", provider=profile.name, rows=rows, least=profile.least_rows)
    for file in (job.training_file, job.validation_file):
        if file is not None and profile.file_bytes is not None and file.stat().st_size > profile.file_bytes:
            size, limit = file.stat().st_size / 1e6, profile.file_bytes / 1e6
            raise ProviderError("provider_file_size", provider=profile.name, size=f"{size:.0f}", limit=f"{limit:.0f}")


def _hub_name(base: str) -> str:
    """The hub's name of a base that a provider calls by another (``qwen3-14b``)."""
    match = re.fullmatch(r"qwen(\d(?:\.\d)?)-(\d+)b", base)
    return f"Qwen/Qwen{match[1]}-{match[2]}B" if match else base
