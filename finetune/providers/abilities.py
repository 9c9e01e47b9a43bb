"""What a provider may be able to do beyond training and serving: one small protocol each, and all of it at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from finetune.parameters import Range, ranges
from finetune.providers.provider import FineTune, Provider, Resumable, Terms

SEED = "seed"
# How many jobs of one provider may be open at a time, where it does not say.
ONE_AT_A_TIME = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model as it was after ``step`` optimiser steps. ``model``: its id, "" where it cannot be asked."""

    step: int
    model: str
    training_loss: float | None = None
    validation_loss: float | None = None


@runtime_checkable
class Checkpointing(Protocol):
    """A provider that keeps what a job was on its way."""

    async def checkpoints(self, handle: str) -> Sequence[Checkpoint]:
        """All of them, by step."""
        ...


@runtime_checkable
class Deploying(Protocol):
    """A provider whose models answer only once they are deployed, which may cost: a person has to agree."""

    def terms(self, base: str) -> Terms | None:
        """What a deployment takes; None if this base needs none."""
        ...

    def agree(self, handle: str) -> str:
        """Somebody agreed: the handle to ask with from now on. Repeating it is harmless."""
        ...

    def agreed(self, handle: str) -> bool:
        """Whether somebody agreed."""
        ...


@dataclass(frozen=True, slots=True)
class HandOver:
    """All that an operator needs in a provider's console, in the order of its form.

    ``values``: (the form's own label, value). ``files``: (name, file). ``uploaded``: ids of files that
    are there already.
    """

    task_name: str
    link: str
    base: str
    values: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Path], ...]
    uploaded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """How a model id answered. ``code``: ``ready``, or why not (``check.<code>``); ``detail``: the provider's words."""

    ready: bool
    code: str
    detail: str = ""


@runtime_checkable
class Operated(Protocol):
    """A provider whose console somebody operates. What they tell is kept in the handle."""

    def hand_over(self, job: FineTune, handle: str) -> HandOver:
        """What to do there. Blocking: files may be written."""
        ...

    def started(self, handle: str) -> str:
        """The operator started it: the handle to ask with from now on."""
        ...

    def bind(self, handle: str, model: str) -> str:
        """The operator tells an id: the handle from now on. Raises ``ProviderError`` if it cannot be this job's."""
        ...

    async def check(self, model: str) -> Check:
        """Ask the model for one token."""
        ...


@runtime_checkable
class Notifying(Protocol):
    """A provider that posts signed news."""

    def notified(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """The id of the job that the news is about, None for other news. Raises ``ProviderError`` ``webhook_forged``.

        The body tells nothing more: ``status`` has to be asked, at once.
        """
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a job's life as its provider tells it. ``at``: seconds since 1970, None if it does not say."""

    at: float | None
    level: str
    message: str


@runtime_checkable
class Eventful(Protocol):
    """A provider that tells a job's life."""

    async def events(self, handle: str) -> Sequence[Event]:
        """All of them, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job really cost."""

    amount: float
    currency: str


@runtime_checkable
class Billing(Protocol):
    """A provider that tells what a job cost."""

    async def cost(self, handle: str) -> Cost | None:
        """None while it does not say."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """What a tuned image model drew."""

    data: bytes
    media_type: str


@runtime_checkable
class Drawing(Protocol):
    """A provider whose image models draw."""

    async def draw(self, model: str, prompt: str) -> Picture:
        """One picture. Raises ``ProviderError``."""
        ...


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that was taken from documents and that a live account confirms (True), refutes, or leaves open (None).

    ``id`` is the same in the code, the tests and the documents; ``found`` is what the account answered.
    """

    id: str
    claim: str
    holds: bool | None
    found: str


@runtime_checkable
class Assuming(Protocol):
    """A provider that was built from documents. Asking starts nothing and costs a few tokens at most."""

    async def assumptions(self) -> Sequence[Assumption]:
        """All of them, tried against the account."""
        ...

    async def reach(self) -> Check:
        """Whether it answers and lets us in."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """All abilities of a provider at a glance, for cards and documents."""

    creates: bool
    cancels: bool
    resumes: bool
    checkpoints: bool
    events: bool
    deploys: bool
    bills: bool
    webhook: bool
    operated: bool
    draws: bool
    parallel: int
    settable: Mapping[str, Range] = field(default_factory=dict)
    unsettable: tuple[str, ...] = ()


def capabilities(provider: Provider) -> Capabilities:
    """What a provider can do, from the protocols that it satisfies and from its profile."""
    cannot: tuple[str, ...] = getattr(provider, "unsettable", ())
    manual = bool(getattr(provider, "starts_by_hand", False))
    return Capabilities(
        creates=not manual,
        cancels=not manual,
        resumes=isinstance(provider, Resumable),
        checkpoints=isinstance(provider, Checkpointing),
        events=isinstance(provider, Eventful),
        deploys=_deploys(provider),
        bills=isinstance(provider, Billing),
        webhook=isinstance(provider, Notifying) and bool(getattr(provider, "webhook_secret", "")),
        operated=manual or bool(getattr(provider, "serves_by_hand", False)),
        draws=isinstance(provider, Drawing),
        parallel=parallel(provider),
        settable={name: found for name, found in provider.ranges.items() if name not in cannot},
        unsettable=tuple(name for name in (*ranges(), SEED) if name in cannot),
    )


def parallel(provider: object) -> int:
    """How many jobs of a provider may be open at a time."""
    return int(getattr(provider, "parallel", ONE_AT_A_TIME))


def _deploys(provider: Provider) -> bool:
    return isinstance(provider, Deploying) and any(provider.terms(base.id) for base in provider.bases)


Ability = TypeVar("Ability")


def ability(provider: object, kind: type[Ability]) -> Ability | None:
    """The provider as one of this ability, if it has it."""
    return provider if isinstance(provider, kind) else None
