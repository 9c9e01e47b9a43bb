"""Hyperparameters of a fine-tune job: names, ranges, presets, and how a run's values come about.

The data are in ``parameters.toml``. A value comes from the person's flag, else from the base model's own
recommendation, else from the preset; which of the three it was is kept, because the card shows it.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cache
from importlib import resources

from finetune.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """One run's values. ``max_tokens`` is the length at which an example is cut."""

    learning_rate: float
    epochs: int
    batch_size: int
    max_tokens: int
    rank: int
    alpha: int
    dropout: float

    def as_dict(self) -> dict[str, float]:
        """Plain numbers by field name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Range:
    """The values a hyperparameter may take: ``low`` to ``high``, ends included unless said otherwise."""

    name: str
    low: float
    high: float
    whole: bool = False
    above_low: bool = False
    flags: tuple[str, ...] = ()

    def check(self, value: float) -> float:
        """Return the value, as an int where whole; raise :class:`ParameterError` naming the range."""
        inside = self.low <= value <= self.high if math.isfinite(value) else False
        if self.above_low and value == self.low:
            inside = False
        if not inside:
            raise ParameterError("parameter_range", name=self.name, value=value, range=self.describe())
        if self.whole:
            if value != int(value):
                raise ParameterError("parameter_whole", name=self.name, value=value, range=self.describe())
            return int(value)
        return float(value)

    def describe(self) -> str:
        """The range as people read it: ``1-10``, ``>0-0.1``."""
        low = f">{self.low:g}" if self.above_low else f"{self.low:g}"
        return f"{low}-{self.high:g}"


class Origin(StrEnum):
    """Where a value of a run comes from."""

    PRESET = "preset"
    BASE = "base"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run's values with the origin of each, by field name."""

    values: Hyperparameters
    origins: Mapping[str, Origin]


@cache
def _data() -> dict[str, dict[str, dict[str, object]]]:
    text = resources.files("finetune").joinpath("parameters.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def ranges() -> Mapping[str, Range]:
    """Every hyperparameter's range, by field name, in the order of the console's form."""
    found = {}
    for name, entry in _data()["ranges"].items():
        options = dict(entry)
        flags = options.pop("flags")
        assert isinstance(flags, list)
        found[name] = Range(name, flags=tuple(str(flag) for flag in flags), **options)  # type: ignore[arg-type]
    return found


@cache
def presets() -> Mapping[str, Hyperparameters]:
    """The presets by their canonical name."""
    return {
        name: Hyperparameters(**{f.name: entry[f.name] for f in fields(Hyperparameters)})  # type: ignore[arg-type]
        for name, entry in _data()["presets"].items()
    }


@cache
def preset_names() -> Mapping[str, str]:
    """Every name that people use for a preset (English and Chinese) to its canonical one."""
    found = {}
    for name, entry in _data()["presets"].items():
        aliases = entry["names"]
        assert isinstance(aliases, list)
        found.update({str(alias): name for alias in aliases})
    return found


def resolve(
    preset: str,
    recommended: Mapping[str, float],
    flags: Mapping[str, float],
    limits: Mapping[str, Range] | None = None,
) -> Resolved:
    """The values of a run. Raises :class:`ParameterError` for an unknown preset or a value out of range."""
    if preset not in presets():
        raise ParameterError("preset_unknown", value=preset, known=", ".join(presets()))
    bounds = limits or ranges()
    values = presets()[preset].as_dict()
    origins = dict.fromkeys(values, Origin.PRESET)
    for name, value in recommended.items():
        values[name], origins[name] = value, Origin.BASE
    for name, value in flags.items():
        values[name], origins[name] = value, Origin.FLAG
    checked = {name: bounds[name].check(value) for name, value in values.items()}
    return Resolved(Hyperparameters(**checked), origins)  # type: ignore[arg-type]


def optimiser_steps(rows: int, values: Hyperparameters) -> int:
    """Steps of a run over ``rows`` examples; the last, smaller batch of an epoch counts."""
    return math.ceil(rows / values.batch_size) * values.epochs if rows else 0
