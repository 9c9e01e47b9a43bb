"""Reads a provider's profile, and translates a run's values by it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from finetune.jobs import JobState
from finetune.parameters import Hyperparameters, Range, ranges
from finetune.providers.abilities import SEED
from finetune.providers.provider import Base, Sunset, Terms


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hyperparameter as a provider takes it: ``theirs`` is a dotted path into the request, or a form's label.

    ``kind``: ``int``, ``number`` or ``text``. ``low`` and ``high`` narrow our range.
    """

    ours: str
    theirs: str
    kind: str = "number"
    low: float | None = None
    high: float | None = None

    def value(self, value: float) -> object:
        """As it stands in the request."""
        if self.kind == "int":
            return int(value)
        return f"{value:g}" if self.kind == "text" else value


@dataclass(frozen=True, slots=True)
class Deployment:
    """How a trained model comes to answer. ``by``: ``console`` (a person does it there) or ``api``."""

    by: str
    plan: str
    billing: str
    source: str
    dated: str


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is known of a provider. ``states``: its words to ours; a word that is not there ends nothing."""

    name: str
    wire: str
    base_url: str
    source: str
    dated: str
    grade: str
    poll_seconds: float
    parallel: int
    parameters: tuple[Parameter, ...]
    states: Mapping[str, JobState]
    bases: tuple[Base, ...]
    any_base: bool = False
    console: str = ""
    chat_url: str = ""
    file_bytes: int | None = None
    least_rows: int = 1
    sends: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    deployment: Deployment | None = None
    sunsets: tuple[Sunset, ...] = ()

    @property
    def unsettable(self) -> tuple[str, ...]:
        """Our parameters, the seed among them, that cannot be set there."""
        settable = {parameter.ours for parameter in self.parameters}
        return tuple(name for name in (*ranges(), SEED) if name not in settable)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Our ranges, narrowed by the provider's own."""
        found = dict(ranges())
        for parameter in self.parameters:
            ours = found.get(parameter.ours)
            if ours is None:
                continue
            low = ours.low if parameter.low is None else max(parameter.low, ours.low)
            high = ours.high if parameter.high is None else min(parameter.high, ours.high)
            above = ours.above_low and low == ours.low
            found[parameter.ours] = Range(ours.name, low, high, ours.whole, above, ours.flags)
        return found

    def values(self, given: Hyperparameters, seed: int) -> list[tuple[str, object]]:
        """(theirs, value) of everything that can be set, in the provider's order."""
        ours = {**given.as_dict(), SEED: seed}
        return [(parameter.theirs, parameter.value(ours[parameter.ours])) for parameter in self.parameters]

    def body(self, given: Hyperparameters, seed: int) -> dict[str, Any]:
        """The same as nested objects, with what the provider always wants beside."""
        found: dict[str, Any] = {}
        for path, value in [*self.sends.items(), *self.values(given, seed)]:
            place(found, path, value)
        return found

    def state(self, word: str, otherwise: JobState) -> JobState:
        """Our state of its word; ``otherwise`` for one that we do not know."""
        return self.states.get(word, otherwise)

    def terms(self, base: str) -> Terms | None:
        """What a deployment takes."""
        found = self.deployment
        return None if found is None else Terms(found.plan, found.billing, found.source, found.dated)

    def sunsets_of(self, base: str) -> tuple[Sunset, ...]:
        """The announced ends that are about a base."""
        return tuple(sunset for sunset in self.sunsets if not sunset.base or re.fullmatch(sunset.base, base))

    def base(self, identifier: str) -> Base:
        """A listed base, or one of which only the id is known."""
        for base in self.bases:
            if base.id == identifier:
                return base
        return Base(identifier, identifier.rsplit("/", 1)[-1], UNKNOWN_CONTEXT, "", ())


# Tokens of context that any base of these providers has.
UNKNOWN_CONTEXT = 8192

_FOLDER = "finetune.providers.profiles"


@cache
def names() -> tuple[str, ...]:
    """The names of all profiles."""
    files = resources.files(_FOLDER).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


@cache
def profile(name: str) -> Profile:
    """A provider's profile. Raises ``TypeError`` for a key that is unknown, ``FileNotFoundError`` for no such one."""
    data = tomllib.loads(resources.files(_FOLDER).joinpath(f"{name}.toml").read_text("utf-8"))
    data["parameters"] = tuple(Parameter(**entry) for entry in data.get("parameters", ()))
    data["states"] = {word: JobState(ours) for ours, words in data.get("states", {}).items() for word in words}
    data["bases"] = tuple(_base(entry) for entry in data.get("bases", ()))
    data["sunsets"] = tuple(Sunset(**entry) for entry in data.get("sunsets", ()))
    if "deployment" in data:
        data["deployment"] = Deployment(**data["deployment"])
    return Profile(name=name, **data)


def _base(entry: dict[str, Any]) -> Base:
    return Base(**{**entry, "languages": tuple(entry["languages"]), "notes": tuple(entry.get("notes", ()))})


def place(found: dict[str, Any], path: str, value: object) -> None:
    """Put a value where a dotted path leads."""
    *folders, last = path.split(".")
    for name in folders:
        found = found.setdefault(name, {})
    found[last] = value


def sunsets_before(sunsets: Sequence[Sunset], day: str) -> tuple[Sunset, ...]:
    """Those that come by an ISO day, the nearest first."""
    return tuple(sorted((sunset for sunset in sunsets if sunset.date <= day), key=lambda sunset: sunset.date))
