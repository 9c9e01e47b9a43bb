"""A wire to PostgreSQL that is as long as one wishes, and can be cut."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url

_SOCKET = ".s.PGSQL.5432"


class Wire:
    """Carries what goes to the server at a URL and back; each way takes so many ``seconds``."""

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        self._there = f"{make_url(url).query['host']}/{_SOCKET}"
        self._folder = folder
        self._seconds = seconds
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = make_url(url).update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)

    async def __aenter__(self) -> Self:
        self._folder.mkdir()
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Whoever connects from now on is connected."""
        self._server = await asyncio.start_unix_server(self._connect, str(self._folder / _SOCKET))

    def swallow(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._open.clear()

    def carry(self) -> None:
        """What is said from now on arrives again; what was lost on the way stays lost."""
        self._open.set()

    async def cut(self) -> None:
        """Every connection ends, and none can be made."""
        if self._server is not None:
            self._server.close()
            self._server = None
        (self._folder / _SOCKET).unlink(missing_ok=True)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, back = await asyncio.open_unix_connection(self._there)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry(reader, back))
                    group.create_task(self._carry(there, writer))
            finally:
                back.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        # An end that hangs up is no trouble of ours.
        with suppress(OSError):
            while data := await source.read(1 << 16):
                # As long as the way is, and nothing else, is what this is for.
                await asyncio.sleep(self._seconds)
                if not self._open.is_set():
                    # As a firewall does that has forgotten the connection: no word of it comes through ever again.
                    await asyncio.Future()
                target.write(data)
                await target.drain()
            target.write_eof()
