"""Keeps model servers: started when first needed, replaced when a new adapter comes, stopped when idle."""

import asyncio
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from finetune.errors import ProviderUnavailable
from finetune.providers.local import processes

# Run as a file: importing the package around it would be a sixth of the time to the first word.
SERVER = Path(__file__).with_name("server.py")
START_SECONDS = 60.0
STOP_SECONDS = 5.0
# Four answers at once are the most that this machine's processors gain by; one more place is for whoever comes then.
SLOTS = 5
BATCH = 512
# A second thread makes an answer a third quicker, beside a training too (that has the lower priority); beside another
# program that keeps a core busy it makes it slower, for every layer then waits for the scheduler.
THREADS = min(2, os.cpu_count() or 1)
PROMPT_THREADS = 2
SIMILARITY = 0.8


@dataclass(slots=True, eq=False)
class Running:
    """One server process: its adapters by model id, in the order of their numbers in a request."""

    process: asyncio.subprocess.Process
    address: str
    api_key: str
    adapters: tuple[str, ...]
    users: int = 0
    retired: bool = False
    ending: asyncio.Task[None] | None = field(default=None)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.returncode is None

    def request(self, model: str) -> Mapping[str, object]:
        """What a request for this model must carry: every adapter's scale, always, so that none is left over."""
        scales = [{"id": index, "scale": 1.0 if name == model else 0.0} for index, name in enumerate(self.adapters)]
        return {"lora": scales, "cache_prompt": True}


class ModelServer:
    """The server of one base.

    ``weights`` is its file and ``adapters`` lists the tuned models' files by model id, both asked anew at every start.
    """

    def __init__(
        self,
        base: str,
        weights: Callable[[], Path],
        context: int,
        folder: Path,
        adapters: Callable[[str], Mapping[str, Path]],
        *,
        idle_seconds: float,
        python: str = sys.executable,
    ) -> None:
        self._base = base
        self._weights = weights
        self._context = context
        self._folder = folder
        self._adapters = adapters
        self._idle_seconds = idle_seconds
        self._python = python
        self._lock = asyncio.Lock()
        self._current: Running | None = None
        self._all: set[Running] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the servers that run now."""
        return tuple(running.process.pid for running in self._all if running.alive)

    @asynccontextmanager
    async def serve(self, model: str) -> AsyncIterator[Running]:
        """A server that knows ``model``, kept while in use. Raises :class:`ProviderUnavailable`."""
        async with self._lock:
            running = await self._for(model)
            running.users += 1
            self._cancel_idle()
        try:
            yield running
        finally:
            running.users -= 1
            self._left(running)

    async def close(self) -> None:
        """Stop all servers, running answers too."""
        self._cancel_idle()
        async with self._lock:
            self._current = None
            await asyncio.gather(*(self._stop(running) for running in tuple(self._all)))
        if self._tasks:
            await asyncio.gather(*self._tasks)

    async def _for(self, model: str) -> Running:
        current = self._current
        if current is not None and not current.alive:
            self._all.discard(current)
            current = self._current = None
        if current is not None and (model == self._base or model in current.adapters):
            return current
        fresh = await self._start(model)
        self._current = fresh
        if current is not None:
            # Its running answers end on it; nothing new begins there.
            current.retired = True
            self._left(current)
        return fresh

    async def _start(self, model: str) -> Running:
        weights, known = await asyncio.to_thread(lambda: (self._weights(), self._adapters(model)))
        api_key = secrets.token_urlsafe(24)
        settings = {
            "model": str(weights),
            "api_key": api_key,
            "context": self._context,
            "slots": SLOTS,
            "batch": BATCH,
            "threads": THREADS,
            "prompt_threads": PROMPT_THREADS,
            "similarity": SIMILARITY,
            "adapters": [str(path) for path in known.values()],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "server.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                self._python,
                "-P",
                "-S",
                str(SERVER),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**processes.environment(processes.Waiting.BRIEFLY), "PYTHONPATH": _library()},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
            address = json.loads(line)["address"]
        except (OSError, TimeoutError, ValueError) as error:
            await _end(process)
            raise ProviderUnavailable("model_server", log=str(self._folder / "server.log")) from error
        except BaseException:
            await _end(process)
            raise
        running = Running(process, address, api_key, tuple(known))
        self._all.add(running)
        return running

    def _left(self, running: Running) -> None:
        if running.users:
            return
        if running.retired:
            self._later(running)
        elif running is self._current:
            self._cancel_idle()
            self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._idled, running)

    def _idled(self, running: Running) -> None:
        if running is self._current and not running.users:
            self._current = None
            self._later(running)

    def _later(self, running: Running) -> None:
        task = asyncio.get_running_loop().create_task(self._stop(running))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, running: Running) -> None:
        await _end(running.process)
        self._all.discard(running)

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def _library() -> str:
    """Where the server's one library lies: an interpreter told so need not look through what else is installed."""
    found = importlib.util.find_spec("xllamacpp")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent.parent)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let a server go by closing its standard input; kill it if it does not. To the end of its pipes: a loop that ends
    before they are closed says so.
    """
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.communicate(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.communicate()
