"""The provider: hands a job over to whoever operates the console, and follows the model id that they bring back.

There is no public interface that starts, lists or cancels a fine-tune job there, and none is guessed. All that is
known of a job is in its handle: what was handed over, that it was started, which ids were bound.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.parameters import Range
from finetune.providers import estimates
from finetune.providers.abilities import Assumption, Check, Checkpoint, HandOver, Picture
from finetune.providers.handles import pack, told, unpack
from finetune.providers.pace import Pace
from finetune.providers.profiles import profile
from finetune.providers.provider import Base, Endpoint, FineTune, Plan, Status
from finetune.providers.siliconflow import assumptions, drawing, uploads
from finetune.providers.siliconflow.ids import ModelId
from finetune.providers.siliconflow.probe import probe
from finetune.providers.tags import tag, task_name
from finetune.providers.wire import Wire

_SECONDS = 60.0


class SiliconFlowProvider:
    """``uploads``: send the files through ``/v1/files`` too, which its documents do not offer for training."""

    name = "siliconflow"
    starts_by_hand = True

    def __init__(
        self,
        key: str,
        *,
        base_url: str = "",
        upload: bool = False,
        clock: Callable[[], float] = time.monotonic,
        seconds: float | None = None,
    ) -> None:
        self.profile = profile(self.name)
        self.bases: Sequence[Base] = self.profile.bases
        self.ranges: Mapping[str, Range] = self.profile.ranges
        self.unsettable = self.profile.unsettable
        self.parallel = self.profile.parallel
        self._key = key
        self._upload = upload
        self._wire = Wire(self.name, base_url or self.profile.base_url, key)
        self._pace: Pace[Status] = Pace(self.profile.poll_seconds if seconds is None else seconds, clock)
        self._cancelled: set[str] = set()

    async def plan(self, job: FineTune) -> Plan:
        """Steps and tokens; no price is published, no time is promised."""
        return await asyncio.to_thread(estimates.plan, job, self.profile)

    async def submit(self, job: FineTune, attempt: int) -> str:
        """Make it ready to be handed over; nothing starts there. The same job gives the same handle."""
        facts = {"base": job.base, "task": task_name(job.name, job.key, attempt), "tag": tag(job.key, attempt)}
        if self._upload and not _is_images(job):
            facts |= await uploads.send(self._wire, job, facts["task"])
        return pack(job.key, **facts)

    async def status(self, handle: str) -> Status:
        """Awaiting the operator; running once they say so; succeeded once the bound id answers.

        Raises ``ProviderUnavailable`` when a bound id could not be tried.
        """
        _, facts = unpack(handle)
        if handle in self._cancelled:
            return Status(JobState.CANCELLED, "cancelled here")
        model = facts.get("model")
        if model is None:
            started = bool(facts.get("started"))
            state = JobState.RUNNING if started else JobState.AWAITING_OPERATOR
            return Status(state, "started in the console" if started else "")
        return await self._pace.ask(handle, lambda: self._bound(model))

    async def _bound(self, model: str) -> Status:
        if _draws(model):
            # One picture costs, so the vendor's list is asked instead of the model.
            return Status(JobState.SUCCEEDED, "bound", model=model)
        check = await self.check(model)
        if check.ready:
            return Status(JobState.SUCCEEDED, "ready", model=model)
        if check.code in ("busy", "down", "unreachable"):
            raise ProviderUnavailable("provider_check", provider=self.name, status=check.code, detail=check.detail)
        return Status(JobState.RUNNING, f"{check.code}: {check.detail}".rstrip(": "))

    async def log(self, handle: str) -> bytes:
        """What is known; the provider's own log is in its console only."""
        identifier, facts = unpack(handle)
        lines = [f"{identifier}: {self.profile.console}", *(f"{name}: {value}" for name, value in facts.items())]
        return "\n".join(lines).encode()

    async def cancel(self, handle: str) -> None:
        """Give it up here. What runs there, only its console can stop."""
        self._cancelled.add(handle)

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Tuned models and bases answer at the same address, without a deployment."""
        base = ModelId.of(model).base if model.startswith("ft:") else model
        context = self.profile.base(base).context
        yield Endpoint(self._wire.base_url, self._key, model, context)

    def hand_over(self, job: FineTune, handle: str) -> HandOver:
        """Files and values for the console's form, in its order."""
        _, facts = unpack(handle)
        values = [(label, _shown(value)) for label, value in self.profile.values(job.hyperparameters, job.seed)]
        if job.images is not None:
            form = [("Trigger Word", job.images.trigger), ("Number of Repeats", str(job.images.repeats))]
            # A tuned image model has no length of text to cut at.
            values = form + [pair for pair in values if pair[0] != "Max Tokens"]
            files: list[tuple[str, Path]] = [("images.zip", job.training_file)]
        else:
            files = [("train.jsonl", job.training_file)]
            if job.validation_file is not None:
                files.append(("val.jsonl", job.validation_file))
        sent = tuple(facts[name] for name in ("file", "held_out") if facts.get(name))
        return HandOver(
            task_name=facts["task"],
            link=self.profile.console,
            base=job.base,
            values=tuple(values),
            files=tuple(files),
            uploaded=sent,
            notes=tuple(["upload_failed"] if facts.get("upload") == "failed" else []),
        )

    def started(self, handle: str) -> str:
        """The operator pressed 开始微调."""
        return told(handle, started="yes")

    def bind(self, handle: str, model: str) -> str:
        """An id that the operator copied. A checkpoint's is bound beside the final one.

        Raises :class:`ProviderError` ``bind_form``, ``bind_base``, ``bind_tag`` or ``bind_other``.
        """
        _, facts = unpack(handle)
        found = ModelId.of(model)
        found.must_be(facts["base"], facts["tag"])
        known = [text for text in (facts.get("model", ""), *_list(facts)) if text]
        if any(ModelId.of(text).final != found.final for text in known):
            raise ProviderError("bind_other", id=found.text[:120], known=known[0])
        if found.step is None:
            return told(handle, started="yes", model=found.text)
        steps = sorted({*_list(facts), found.text}, key=lambda text: ModelId.of(text).step or 0)
        return told(handle, started="yes", checkpoints=json.dumps(steps))

    async def check(self, model: str) -> Check:
        """Ask for one token; a model that draws is not tried, because that would cost."""
        if _draws(model):
            return Check(True, "untried")
        return await probe(self._wire, model)

    async def checkpoints(self, handle: str) -> Sequence[Checkpoint]:
        """Those that were bound; the console tells no losses."""
        _, facts = unpack(handle)
        return [Checkpoint(ModelId.of(text).step or 0, text) for text in _list(facts)]

    async def draw(self, model: str, prompt: str) -> Picture:
        """One picture of a tuned image model."""
        return await drawing.draw(self._wire, model, prompt)

    async def reach(self) -> Check:
        """Whether the key is taken."""
        return await assumptions.reach(self._wire)

    async def assumptions(self) -> Sequence[Assumption]:
        """SF1 to SF5, tried against the account."""
        return await assumptions.all_of(self._wire)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()


def _list(facts: Mapping[str, str]) -> list[str]:
    return [str(text) for text in json.loads(facts.get("checkpoints", "[]"))]


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_images(job: FineTune) -> bool:
    return job.images is not None


def _draws(model: str) -> bool:
    return "FLUX" in model.upper()
