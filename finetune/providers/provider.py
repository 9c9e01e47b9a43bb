"""The seam to whoever trains and serves models: plain types and one protocol of six methods."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from finetune.images.parameters import Parameters as ImageParameters
from finetune.jobs import JobState
from finetune.parameters import Hyperparameters, Range


@dataclass(frozen=True, slots=True)
class Base:
    """A base model that a provider can tune.

    ``recommended`` overrides a preset's values (keys are fields of :class:`Hyperparameters`), because a learning
    rate meant for 7B teaches a model of 135M nothing. ``context`` is in tokens.
    """

    id: str
    name: str
    context: int
    licence: str
    languages: tuple[str, ...]
    recommended: Mapping[str, float] = field(default_factory=dict)
    # How to ask it and what is tuned from it: arguments of a chat completion (temperature, max_tokens, ...).
    sampling: Mapping[str, object] = field(default_factory=dict)
    # Translation keys of one-line remarks that people should read once (``base.<note>``).
    notes: tuple[str, ...] = ()
    # Made of pictures, and draws: nobody can talk to it.
    draws: bool = False


@dataclass(frozen=True, slots=True)
class FineTune:
    """What to train: immutable, and all that a provider needs to know.

    ``key`` is made by us, matches ``[a-z0-9-]{1,48}``, and is the idempotency key: submitting the same key and
    attempt twice starts one training. Both files are JSONL of chat messages, already judged; with ``images`` the
    training file is a zip of pictures and captions, and none is held out.
    """

    key: str
    name: str
    base: str
    training_file: Path
    validation_file: Path | None
    hyperparameters: Hyperparameters
    seed: int
    images: ImageParameters | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """An amount range in ``currency``, with where the figure comes from and the date it was read."""

    low: float
    high: float
    currency: str
    source: str
    dated: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment costs while it stands. ``billing``: ``token``, ``hour`` or ``unknown``; ``standing``: per hour.

    ``plan``: the provider's word for it. Nothing but ``token`` is free while nobody asks.
    """

    plan: str
    billing: str
    source: str
    dated: str
    standing: Price | None = None


@dataclass(frozen=True, slots=True)
class Sunset:
    """An announced end. ``effect``: ``jobs`` (no new ones) or ``models`` (what was tuned is shut); ``date``: ISO.

    ``base``: a pattern of the bases that it is about, "" for all.
    """

    date: str
    effect: str
    base: str
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take. ``None`` means that it is not known, and is shown so.

    ``steps``: optimiser steps. ``tokens``: tokens of one epoch after the cut at ``max_tokens``.
    ``seconds``: a range. ``free`` says that the provider takes no money at all. ``terms``: what serving the model
    takes beside; None where it is served without more. ``operated``: a person starts it in the provider's console.
    """

    steps: int
    tokens: int | None
    tokens_exact: bool
    seconds: tuple[float, float] | None
    price: Price | None
    free: bool
    cut_rows: int = 0
    # Our parameters that this provider does not let one set: it uses its own values, and the card says so.
    unsettable: tuple[str, ...] = ()
    terms: Terms | None = None
    sunsets: tuple[Sunset, ...] = ()
    operated: bool = False
    # How many former runs have narrowed or widened the price.
    learned_from: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a translation code (``failure.<code>``), its fields, and the provider's own words."""

    code: str
    fields: Mapping[str, object] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How a job seems to its provider now.

    ``word`` is the provider's own. ``lost`` is true when the attempt can no longer end by itself (its process is
    gone and left no result): the caller may submit the next attempt. ``losses``: (step, training loss) so far, at
    most a few hundred points. ``heartbeat_age``: seconds since the trainer last gave a sign of life.
    ``model``: the full id to serve, once succeeded.
    """

    state: JobState
    word: str
    lost: bool = False
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    losses: tuple[tuple[int, float], ...] = ()
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    heartbeat_age: float | None = None
    trained_tokens: int | None = None
    validation_loss: tuple[float, float] | None = None  # held-out loss before and after
    model: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible place to ask: everything that the ``openai`` SDK needs.

    ``prefills``: an assistant's message at the end of a request is gone on with, word for word.
    """

    base_url: str
    api_key: str
    model: str
    context: int
    extra_body: Mapping[str, object] = field(default_factory=dict)
    prefills: bool = False

    @property
    def here(self) -> bool:
        """Whether it is on this machine, so that all who ask share its processors."""
        host = urlsplit(self.base_url).hostname or ""
        return host in ("localhost", "127.0.0.1", "::1")


@runtime_checkable
class Provider(Protocol):
    """Someone who trains models and serves them.

    All methods raise :class:`finetune.errors.ProviderError` for a final no and
    :class:`finetune.errors.ProviderUnavailable` for "not now".
    """

    name: str
    bases: Sequence[Base]
    ranges: Mapping[str, Range]

    async def plan(self, job: FineTune) -> Plan:
        """What this run would take. Starts nothing."""
        ...

    async def submit(self, job: FineTune, attempt: int) -> str:
        """Start an attempt (or find it already started); return the handle to ask with."""
        ...

    async def status(self, handle: str) -> Status:
        """How the job seems now."""
        ...

    async def log(self, handle: str) -> bytes:
        """The provider's log of the job, UTF-8, newest last."""
        ...

    async def cancel(self, handle: str) -> None:
        """Ask for the end. Returns at once; ``status`` tells when it is so. Repeating it is harmless."""
        ...

    def endpoint(self, model: str) -> AbstractAsyncContextManager[Endpoint]:
        """Where ``model`` (a tuned model's full id or a base's id) answers; held open while in use."""
        ...


@runtime_checkable
class OpenCatalogue(Protocol):
    """A provider that takes bases which its list does not name (a folder, a hub's id)."""

    def base(self, identifier: str) -> Base:
        """What is known of it. Raises :class:`finetune.errors.ProviderError` if it cannot be had."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A provider whose failed and cancelled jobs can go on from a checkpoint."""

    async def checkpoint(self, handle: str) -> int | None:
        """The step of the newest checkpoint; None if there is none."""
        ...

    async def reopen(self, handle: str, attempt: int) -> int:
        """Set aside how a job ended; return the number of the attempt to submit, ``attempt`` or a later one.

        Raises :class:`finetune.errors.ProviderError` ``job_runs`` or ``job_succeeded``. Repeating it is harmless.
        """
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a row as a model reads it. ``learned``: its loss counts; ``cut``: it is past the token limit."""

    text: str
    tokens: int
    learned: bool
    cut: bool


@runtime_checkable
class Template(Protocol):
    """A provider that can tell how a base's chat template writes a conversation."""

    async def pieces(self, base: str, messages: Sequence[Mapping[str, str]], max_tokens: int) -> Sequence[Piece]:
        """The conversation in the base's template. Raises :class:`finetune.errors.ProviderError`."""
        ...


@runtime_checkable
class Portable(Protocol):
    """A provider whose adapters can be taken away as files, and brought from elsewhere."""

    async def adapter(self, model: str) -> Mapping[str, Path]:
        """The adapter's files by name. Raises :class:`finetune.errors.ProviderError`."""
        ...

    async def adopt(self, key: str, base: str, files: Mapping[str, Path]) -> str:
        """Make an adapter of these files one of ours; its full model id. The same key again changes nothing."""
        ...


def resumable(provider: object) -> Resumable | None:
    """The provider as one whose jobs can go on, if it is one."""
    return provider if isinstance(provider, Resumable) else None


def portable(provider: object) -> Portable | None:
    """The provider as one whose adapters can be moved, if it is one."""
    return provider if isinstance(provider, Portable) else None


def base_of(provider: Provider, identifier: str) -> Base | None:
    """The base of an exact id, listed or not; None if this provider cannot know it."""
    for base in provider.bases:
        if base.id == identifier:
            return base
    return provider.base(identifier) if isinstance(provider, OpenCatalogue) else None
