"""The local provider: trains and serves on this machine, behind the protocol of all providers."""

import asyncio
import hashlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from finetune.errors import ProviderError
from finetune.parameters import Range, ranges
from finetune.providers.local import bases, planning, portable, processes, tokens
from finetune.providers.local.folder import JobFolder
from finetune.providers.local.reading import read_status
from finetune.providers.local.serving import ModelServer
from finetune.providers.provider import Base, Endpoint, FineTune, Piece, Plan, Status

KEY = re.compile(r"[a-z0-9-]{1,48}")
MODEL = re.compile(r"local:(?P<slug>[a-z0-9.-]+):(?P<key>[a-z0-9-]{1,48})")
# Adapters loaded with a server beside the one asked for, the newest first: each costs some megabytes.
ADAPTERS_KNOWN = 8
LEAVE_SECONDS = 15.0
SUBMIT_SECONDS = 20.0


class LocalProvider:
    """Trains with torch and serves with llama.cpp, each in processes of their own, under one data folder."""

    name = "local"

    def __init__(
        self,
        data_dir: Path,
        *,
        idle_seconds: float = 600,
        python: str = sys.executable,
        checkpoint_seconds: float = 30.0,
    ) -> None:
        self.bases: Sequence[Base] = bases.listed()
        self.ranges: Mapping[str, Range] = ranges()
        self._data_dir = data_dir.resolve()
        self._idle_seconds = idle_seconds
        self._python = python
        self._checkpoint_seconds = checkpoint_seconds
        self._servers: dict[str, ModelServer] = {}
        self._preparing: dict[str, asyncio.Lock] = {}

    def base(self, identifier: str) -> Base:
        """A base that no list names: a folder or a hub's id. Raises :class:`ProviderError` ``base_missing``."""
        return bases.locate(identifier).base

    async def plan(self, job: FineTune) -> Plan:
        """What this run would take; a hub's base is fetched first. Raises :class:`ProviderError`."""
        source = await asyncio.to_thread(bases.locate, job.base)
        if source.hub is not None:
            await self.prepare(job.base)
        return await asyncio.to_thread(planning.plan, job, self._data_dir)

    async def submit(self, job: FineTune, attempt: int) -> str:
        """Start an attempt in a process that outlives this one; return the job's key.

        Raises :class:`ProviderError` ``local_not_installed``, ``base_missing`` or ``disk_full``.
        """
        if not KEY.fullmatch(job.key):
            raise ValueError(job.key)
        await asyncio.to_thread(self._submit, job, attempt)
        return job.key

    async def status(self, handle: str) -> Status:
        """How the job seems, from its folder alone."""
        return await asyncio.to_thread(read_status, self._folder(handle))

    async def log(self, handle: str) -> bytes:
        """The trainer's log."""
        file = self._folder(handle).log_file
        return await asyncio.to_thread(lambda: file.read_bytes() if file.is_file() else b"")

    async def cancel(self, handle: str) -> None:
        """Wish for the end; where no trainer lives to fulfil it, write it down at once."""
        await asyncio.to_thread(self._cancel, handle)

    async def checkpoint(self, handle: str) -> int | None:
        """The step after which a job can go on. Raises :class:`ProviderError` ``job_missing``."""
        return await asyncio.to_thread(lambda: self._folder(handle).checkpoint())

    async def reopen(self, handle: str, attempt: int) -> int:
        """Set aside how a job ended. Raises :class:`ProviderError` ``job_missing``, ``job_runs``, ``job_succeeded``."""
        folder = self._folder(handle)
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                # A trainer that wrote down its end still gives its memory back: it has no event to wait for from here.
                while folder.result() is not None and folder.alive():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        return await asyncio.to_thread(self._reopen, handle, attempt)

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Where a base or a tuned model answers, for as long as it is held.

        Raises :class:`ProviderError` ``model_missing``, ``base_missing`` or ``local_not_installed``, and
        :class:`finetune.errors.ProviderUnavailable` when the server does not start.
        """
        source, identity = await asyncio.to_thread(self._identify, model)
        server = await self._server(source)
        async with server.serve(identity) as running:
            yield Endpoint(
                base_url=f"{running.address}/v1",
                api_key=running.api_key,
                model=model,
                context=source.base.context,
                extra_body=running.request(identity),
                prefills=True,
            )

    async def prepare(self, base_id: str) -> None:
        """Convert a base ahead of time. Concurrent calls convert once; harmless when it is done already."""
        bases.require(bases.TRAINING_MODULES)
        source = await asyncio.to_thread(bases.locate, base_id)
        async with self._preparing.setdefault(source.slug, asyncio.Lock()):
            if await asyncio.to_thread(bases.prepared, source, self._data_dir):
                return
            command = [self._python, "-m", "finetune.providers.local.convert", base_id, str(self._data_dir)]
            await processes.run(command, processes.environment(online=source.hub is not None))

    async def pieces(self, base: str, messages: Sequence[Mapping[str, str]], max_tokens: int) -> Sequence[Piece]:
        """A conversation as the base's template writes it. Raises :class:`ProviderError`."""
        return await asyncio.to_thread(tokens.pieces, self._data_dir, base, messages, max_tokens)

    async def adapter(self, model: str) -> Mapping[str, Path]:
        """The files of a tuned model's adapter. Raises :class:`ProviderError` ``model_missing``."""
        match = MODEL.fullmatch(model)
        if match is None:
            raise ProviderError("model_missing", model=model)
        return await asyncio.to_thread(portable.files, self._folder(match["key"]), model)

    async def adopt(self, key: str, base: str, files: Mapping[str, Path]) -> str:
        """Make an adapter that came from elsewhere one of ours. Raises :class:`ProviderError`."""
        if not KEY.fullmatch(key) or not set(portable.FILES) <= set(files):
            raise ProviderError("model_missing", model=key)
        return await asyncio.to_thread(portable.adopt, self._data_dir, key, base, files)

    def sampling(self, base_id: str) -> Mapping[str, object]:
        """Arguments of a chat completion that suit a base (or a tuned model) and what is tuned from it."""
        return dict(self._identify(base_id)[0].data["sampling"])

    async def close(self) -> None:
        """Stop the model servers. Trainings go on."""
        servers, self._servers = tuple(self._servers.values()), {}
        await asyncio.gather(*(server.close() for server in servers))

    def server_processes(self) -> tuple[int, ...]:
        """Process ids of the model servers that run now."""
        return tuple(pid for server in self._servers.values() for pid in server.processes)

    def _folder(self, key: str) -> JobFolder:
        if not KEY.fullmatch(key):
            raise ProviderError("job_missing", job=key)
        folder = JobFolder(self._data_dir / "jobs" / key)
        if not folder.exists():
            raise ProviderError("job_missing", job=key)
        return folder

    def _submit(self, job: FineTune, attempt: int) -> None:
        bases.require(bases.TRAINING_MODULES)
        source = bases.locate(job.base)
        folder = JobFolder(self._data_dir / "jobs" / job.key)
        if folder.exists() and (folder.result() is not None or folder.claimed(attempt)):
            return
        self.write_manifest(job, source)
        command = [self._python, "-m", "finetune.providers.local.trainer", str(folder.path)]
        with folder.locked(attempt) as lock, (folder.path / "crash.txt").open("ab") as errors:
            if lock is None:
                return
            subprocess.run(
                [*command, "--attempt", str(attempt), "--detach"],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=processes.environment(processes.Waiting.AWAKE, online=source.hub is not None),
                pass_fds=(lock,),
                start_new_session=True,
                timeout=SUBMIT_SECONDS,
                check=False,
            )

    def write_manifest(self, job: FineTune, source: bases.Source | None = None) -> JobFolder:
        """Make the job's folder, starting nothing; what stands in it already stays. Blocking.

        Raises :class:`ProviderError` ``base_missing`` or ``disk_full``.
        """
        source = source or bases.locate(job.base)
        folder = JobFolder(self._data_dir / "jobs" / job.key)
        if not folder.exists():
            planning.check_disk(source, self._data_dir)
            tuning = {"checkpoint_seconds": self._checkpoint_seconds}
            folder.write_manifest({**_manifest(job, source, self._data_dir), "tuning": tuning})
        elif not folder.alive():
            # The data folder may have been moved, or put back from a backup somewhere else.
            folder.move(_manifest(job, source, self._data_dir))
        return folder

    def _cancel(self, handle: str) -> None:
        folder = self._folder(handle)
        folder.cancel()
        if not folder.alive():
            folder.write_result({"outcome": "cancelled"})

    def _reopen(self, handle: str, attempt: int) -> int:
        folder = self._folder(handle)
        if folder.alive():
            raise ProviderError("job_runs", job=handle)
        if (folder.result() or {}).get("outcome") == "succeeded":
            raise ProviderError("job_succeeded", job=handle)
        folder.reopen()
        return folder.next_attempt(attempt)

    def _identify(self, model: str) -> tuple[bases.Source, str]:
        """The base of a model and the name under which its server knows it."""
        match = MODEL.fullmatch(model)
        if match is None:
            source = bases.locate(model)
            return source, source.base.id
        folder = JobFolder(self._data_dir / "jobs" / match["key"])
        result = folder.result() if folder.exists() else None
        if result is None or result.get("outcome") != "succeeded" or not (folder.path / result["gguf"]).is_file():
            raise ProviderError("model_missing", model=model)
        source = bases.locate(folder.manifest()["base"])
        if source.slug != match["slug"]:
            raise ProviderError("model_missing", model=model)
        return source, model

    async def _server(self, source: bases.Source) -> ModelServer:
        if source.slug not in self._servers:
            bases.require(bases.SERVING_MODULES)
            if source.gguf is None:
                await self.prepare(source.base.id)
            if source.slug not in self._servers:
                self._servers[source.slug] = ModelServer(
                    source.base.id,
                    lambda: self._weights(source),
                    source.base.context,
                    self._data_dir / "serving" / source.slug,
                    lambda model: self._adapters(source.slug, model),
                    idle_seconds=self._idle_seconds,
                    python=self._python,
                )
        return self._servers[source.slug]

    def _weights(self, source: bases.Source) -> Path:
        """What the server reads: the packaged file itself as long as nothing was trained on it."""
        ready = bases.prepared(source, self._data_dir)
        weights = source.gguf if ready is None else ready.gguf
        if weights is None:
            raise bases.missing(source.base.id)
        return weights

    def _adapters(self, slug: str, wanted: str) -> Mapping[str, Path]:
        """The newest adapters of a base by model id, ``wanted`` surely among them."""
        found = []
        for path in (self._data_dir / "jobs").glob("*/result.json"):
            folder = JobFolder(path.parent)
            result = folder.result()
            if result is None or result.get("outcome") != "succeeded" or folder.manifest()["slug"] != slug:
                continue
            model = f"local:{slug}:{path.parent.name}"
            found.append((model == wanted, result["time"], model, folder.path / result["gguf"]))
        found.sort(reverse=True)
        return {model: path for _, _, model, path in found[:ADAPTERS_KNOWN] if path.is_file()}


def _manifest(job: FineTune, source: bases.Source, data_dir: Path) -> dict[str, Any]:
    def entry(file: Path | None) -> dict[str, str] | None:
        if file is None:
            return None
        return {"path": str(file.resolve()), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}

    return {
        "key": job.key,
        "name": job.name,
        "base": job.base,
        "slug": source.slug,
        "training": entry(job.training_file),
        "validation": entry(job.validation_file),
        "hyperparameters": job.hyperparameters.as_dict(),
        "seed": job.seed,
        "data_dir": str(data_dir),
    }
