"""The real bot as a person starts it: the command line in a process of its own, on a data folder of its own."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

OWNER_CODE = "TEST-CODE-OF-THE-OWNER"


class BotProcess:
    """``tuneteller run``. What it prints is kept in ``output``."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, port: int = 0) -> None:
        self.folder = folder
        self.output = ""
        self.address = ""
        self._begin = 0
        self._port = port
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said = asyncio.Condition()

    async def start(self) -> None:
        """Start, and wait until the page answers that it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begin = len(self.output)
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("TUNETELLER_", "TELEGRAM_", "DISCORD_", "DISCORD_"))
            },
            "TUNETELLER_DATA_DIR": str(self.folder / "data"),
            "TUNETELLER_WEB_PORT": str(self._port),
            "TUNETELLER_OWNER_CODE": OWNER_CODE,
            "TUNETELLER_LOG_LEVEL": "debug",
            "TUNETELLER_EVALUATION_QUESTIONS": "0",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            "--no-browser",
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Its own session: a signal to the bot must not reach the tests, nor theirs the bot.
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read())
        found = await self.says(r"(http://[0-9.:]+\S*)")
        self.address = found.group(1).rstrip("/")
        # A restart must find the page at the same address.
        self._port = int(self.address.rsplit(":", 1)[1])
        async with aiohttp.ClientSession() as session, session.get(f"{self.address}/readyz") as response:
            assert response.status == 200

    async def says(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until the output of this start matches."""
        found: re.Match[str] | None = None

        def there() -> bool:
            nonlocal found
            found = re.search(pattern, self.output[self._begin :])
            return found is not None or (self._process is not None and self._process.returncode is not None)

        async with self._said:
            await asyncio.wait_for(self._said.wait_for(there), seconds)
        assert found is not None, self.output
        return found

    async def _read(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.output += line.decode("utf-8", "replace")
            async with self._said:
                self._said.notify_all()
        await process.wait()
        async with self._said:
            self._said.notify_all()

    async def kill(self) -> None:
        """``kill -9``."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """The polite end; returns the exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.returncode is None:
            process.send_signal(number)
        status = await asyncio.wait_for(process.wait(), 20)
        assert self._reader is not None
        await self._reader
        return status
