"""Together: its own upload and job payloads, a price that it tells, a dedicated endpoint that a person makes."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError
from finetune.providers.abilities import Assumption, Check, Checkpoint, Cost, Event
from finetune.providers.faults import odd
from finetune.providers.handles import unpack
from finetune.providers.polled import PolledProvider, words
from finetune.providers.provider import FineTune
from finetune.providers.wire import UPLOAD_TIMEOUT, Wire

_JOBS = "/fine-tunes"
# Of total_price, in the pricing documents: US dollars.
_CURRENCY = "USD"


class TogetherProvider(PolledProvider):
    """See :class:`finetune.providers.provider.Provider`."""

    name = "together"

    @property
    def chat(self) -> Wire:
        """The same address."""
        return self._wire

    async def find(self, mark: str) -> str | None:
        """By the end of its suffix, or of the name that it gives its model."""
        for row in _rows(self._wire, await self._wire.json("GET", _JOBS)):
            names = (str(row.get("suffix") or ""), str(row.get("model_output_name") or ""))
            if any(mark in name and f"{mark}a" not in name for name in names) and row.get("id"):
                return str(row["id"])
        return None

    async def create(self, job: FineTune, name: str, mark: str) -> str:
        """Upload what is not there, then ask for the job."""
        body = self.profile.body(job.hyperparameters, job.seed)
        body |= {"model": job.base, "suffix": name}
        body["training_file"] = await self._upload(job.training_file, f"{name}-train")
        if job.validation_file is not None:
            body["validation_file"] = await self._upload(job.validation_file, f"{name}-held-out")
        made = await self._wire.json("POST", _JOBS, body=body)
        if not isinstance(made.get("id"), str):
            raise odd(self.name, "a job without an id")
        return str(made["id"])

    async def _upload(self, file: Path, stem: str) -> str:
        data = file.read_bytes()
        name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.jsonl"
        for row in _rows(self._wire, await self._wire.json("GET", "/files")):
            if row.get("filename") == name and row.get("id"):
                return str(row["id"])
        form = aiohttp.FormData()
        form.add_field("purpose", "fine-tune")
        form.add_field("file_name", name)
        form.add_field("file_type", "jsonl")
        form.add_field("file", data, filename=name, content_type="application/octet-stream")
        made = await self._wire.json("POST", "/files/upload", form=form, timeout=UPLOAD_TIMEOUT)
        if not isinstance(made.get("id"), str):
            raise odd(self.name, "a file without an id")
        if made.get("processing_status") in ("INVALID_FORMAT", "FAILED"):
            detail = f"{made['processing_status']} {made.get('validation_report') or ''}"
            raise ProviderError("provider_refused", provider=self.name, status="file", detail=detail[:300])
        return str(made["id"])

    async def read(self, identifier: str) -> Mapping[str, Any]:
        """The job."""
        return await self._wire.json("GET", f"{_JOBS}/{identifier}")

    def said(self, job: Mapping[str, Any]) -> tuple[str, str]:
        """Its status, and what its events say of an error."""
        word = str(job.get("status") or "")
        events = job.get("events") if word in ("error", "user_error") else ()
        found = [str(event.get("message")) for event in events or () if isinstance(event, dict)]
        return word, found[-1] if found else ""

    def progress(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tokens, and seconds where it offers them."""
        told = job.get("progress")
        left = told.get("seconds_remaining") if isinstance(told, Mapping) and told.get("estimate_available") else None
        tokens = job.get("token_count")
        return {
            "trained_tokens": tokens if isinstance(tokens, int) and tokens else None,
            "seconds_left": float(left) if isinstance(left, int | float) else None,
        }

    async def end(self, identifier: str) -> None:
        """Cancel it."""
        await self._wire.json("POST", f"{_JOBS}/{identifier}/cancel")

    async def cost(self, handle: str) -> Cost | None:
        """``total_price``, once it is there."""
        job = await self._wire.json("GET", f"{_JOBS}/{unpack(handle)[0]}")
        price = job.get("total_price")
        return Cost(float(price), _CURRENCY) if isinstance(price, int | float) and price else None

    async def events(self, handle: str) -> Sequence[Event]:
        """Its events, oldest first."""
        rows = _rows(self._wire, await self._wire.json("GET", f"{_JOBS}/{unpack(handle)[0]}/events"))
        return [Event(None, str(row.get("level") or "info"), str(row.get("message") or "")) for row in rows]

    async def log(self, handle: str) -> bytes:
        """Its events as lines."""
        return b"".join(f"{event.level}  {event.message}\n".encode() for event in await self.events(handle))

    async def checkpoints(self, handle: str) -> Sequence[Checkpoint]:
        """By step; they answer only behind an endpoint of one's own."""
        rows = _rows(self._wire, await self._wire.json("GET", f"{_JOBS}/{unpack(handle)[0]}/checkpoints"))
        found = [Checkpoint(int(row["step"]), "") for row in rows if isinstance(row.get("step"), int)]
        return sorted(found, key=lambda point: point.step)

    async def reach(self) -> Check:
        """Whether the key is taken."""
        try:
            await self._wire.json("GET", _JOBS)
        except ProviderError as error:
            return Check(False, error.code, words(error))
        return Check(True, "ready")

    async def assumptions(self) -> Sequence[Assumption]:
        """TG1 jobs are listed under ``data``. TG2 an unknown job is 404. TG3 files are listed under ``data``."""
        first = await self.reach()
        found = [Assumption("TG1", "jobs are listed", first.ready, first.detail or first.code)]
        if not first.ready:
            return found
        try:
            await self._wire.json("GET", f"{_JOBS}/ft-tuneteller-is-not-there")
        except ProviderError as error:
            found.append(Assumption("TG2", "an unknown job is 404", error.code == "provider_missing", words(error)))
        else:
            found.append(Assumption("TG2", "an unknown job is 404", False, "200"))
        try:
            _rows(self._wire, await self._wire.json("GET", "/files"))
        except ProviderError as error:
            found.append(Assumption("TG3", "files are listed", False, words(error)))
        else:
            found.append(Assumption("TG3", "files are listed", True, "200"))
        return found


def _rows(wire: Wire, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise odd(wire.provider, "no list")
    return [row for row in rows if isinstance(row, dict)]
