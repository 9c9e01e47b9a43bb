"""Fireworks: datasets that become ready, jobs under an account, a dedicated deployment that a person makes."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.providers.abilities import Assumption, Check, Cost
from finetune.providers.faults import odd
from finetune.providers.handles import unpack
from finetune.providers.polled import PolledProvider, words
from finetune.providers.provider import FineTune
from finetune.providers.wire import UPLOAD_TIMEOUT, Wire

_JOBS = "/supervisedFineTuningJobs"
_PAGES = 10


class FireworksProvider(PolledProvider):
    """``account``: the account's id, part of every address. See :class:`finetune.providers.provider.Provider`."""

    name = "fireworks"

    def __init__(
        self, key: str, folder: Path, account: str, *, base_url: str = "", chat_url: str = "", **rest: Any
    ) -> None:
        super().__init__(key, folder, base_url=base_url, **rest)
        self._root = f"/accounts/{account}"
        address = chat_url or (base_url and f"{base_url.rstrip('/')}/inference") or self.profile.chat_url
        self._chat = Wire(self.name, address, key)

    @property
    def chat(self) -> Wire:
        """An address of its own."""
        return self._chat

    async def find(self, mark: str) -> str | None:
        """By the end of its display name."""
        query: dict[str, str] = {"pageSize": "200"}
        for _ in range(_PAGES):
            answer = await self._wire.json("GET", self._root + _JOBS, query=query)
            rows = answer.get("supervisedFineTuningJobs", [])
            if not isinstance(rows, list):
                raise odd(self.name, "no list")
            for row in rows:
                if isinstance(row, dict) and str(row.get("displayName") or "").endswith(mark) and row.get("name"):
                    return str(row["name"]).rpartition("/")[2]
            if not answer.get("nextPageToken"):
                return None
            query["pageToken"] = str(answer["nextPageToken"])
        return None

    async def create(self, job: FineTune, name: str, mark: str) -> str:
        """Make the datasets ready, then ask for the job."""
        body = self.profile.body(job.hyperparameters, job.seed)
        identifier = name.lower().replace("_", "-")
        body |= {"baseModel": job.base, "displayName": name[:60]}
        body["outputModel"] = f"{self._root.removeprefix('/')}/models/{identifier}"
        body["dataset"] = await self._dataset(job.training_file, f"{identifier}-train")
        if job.validation_file is not None:
            body["evaluationDataset"] = await self._dataset(job.validation_file, f"{identifier}-val")
        made = await self._wire.json("POST", self._root + _JOBS, body=body)
        if not isinstance(made.get("name"), str):
            raise odd(self.name, "a job without a name")
        return str(made["name"]).rpartition("/")[2]

    async def _dataset(self, file: Path, stem: str) -> str:
        """The dataset's full name, made and filled if it is not there. Raises ``dataset_not_ready`` until it is."""
        data = await asyncio.to_thread(file.read_bytes)
        identifier = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}"
        path = f"{self._root}/datasets/{identifier}"
        state = await self._state(path)
        if state is None:
            count = str(sum(1 for line in data.split(b"\n") if line.strip()))
            body = {"datasetId": identifier, "dataset": {"exampleCount": count, "userUploaded": {}}}
            await self._wire.json("POST", f"{self._root}/datasets", body=body)
            state = "UPLOADING"
        if state == "UPLOADING":
            form = aiohttp.FormData()
            form.add_field("file", data, filename=f"{identifier}.jsonl", content_type="application/octet-stream")
            await self._wire.json("POST", f"{path}:upload", form=form, timeout=UPLOAD_TIMEOUT)
            state = await self._state(path)
        if state != "READY":
            raise ProviderUnavailable("dataset_not_ready", provider=self.name, status=state or "", detail=identifier)
        return path.removeprefix("/")

    async def _state(self, path: str) -> str | None:
        try:
            return str((await self._wire.json("GET", path)).get("state") or "")
        except ProviderError as error:
            if error.code != "provider_missing":
                raise
            return None

    async def read(self, identifier: str) -> Mapping[str, Any]:
        """The job."""
        return await self._wire.json("GET", f"{self._root}{_JOBS}/{identifier}")

    def said(self, job: Mapping[str, Any]) -> tuple[str, str]:
        """Its state, and the message of its status."""
        status = job.get("status")
        return str(job.get("state") or ""), str(status.get("message") or "") if isinstance(status, Mapping) else ""

    def progress(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its percent as steps of a hundred."""
        told = job.get("jobProgress")
        percent = told.get("percent") if isinstance(told, Mapping) else None
        return {"step": int(percent), "steps": 100} if isinstance(percent, int | float) else {}

    async def end(self, identifier: str) -> None:
        """Cancel it."""
        await self._wire.json("POST", f"{self._root}{_JOBS}/{identifier}:cancel", body={})

    async def cost(self, handle: str) -> Cost | None:
        """``estimatedCost``: the provider's own figure, an estimate of its own by its name."""
        job = await self._wire.json("GET", f"{self._root}{_JOBS}/{unpack(handle)[0]}")
        money = job.get("estimatedCost")
        if not isinstance(money, Mapping) or not money.get("currencyCode"):
            return None
        amount = float(money.get("units") or 0) + float(money.get("nanos") or 0) / 1e9
        return Cost(amount, str(money["currencyCode"]))

    async def log(self, handle: str) -> bytes:
        """The job as it is told: there is no log."""
        job = await self._wire.json("GET", f"{self._root}{_JOBS}/{unpack(handle)[0]}")
        # A signed address lets anybody in who reads it.
        plain = {name: value for name, value in job.items() if "signedurl" not in name.lower()}
        return json.dumps(plain, indent=1, ensure_ascii=False).encode()

    async def reach(self) -> Check:
        """Whether the key is taken."""
        try:
            await self._wire.json("GET", self._root + _JOBS, query={"pageSize": "1"})
        except ProviderError as error:
            return Check(False, error.code, words(error))
        return Check(True, "ready")

    async def assumptions(self) -> Sequence[Assumption]:
        """FW1 jobs are listed. FW2 an unknown job is 404. FW3 an unknown dataset is 404."""
        first = await self.reach()
        found = [Assumption("FW1", "jobs are listed", first.ready, first.detail or first.code)]
        if not first.ready:
            return found
        for identifier, what, path in (("FW2", "job", _JOBS), ("FW3", "dataset", "/datasets")):
            claim = f"an unknown {what} is 404"
            try:
                await self._wire.json("GET", f"{self._root}{path}/tuneteller-is-not-there")
            except ProviderError as error:
                found.append(Assumption(identifier, claim, error.code == "provider_missing", words(error)))
            else:
                found.append(Assumption(identifier, claim, False, "200"))
        return found
