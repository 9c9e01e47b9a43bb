"""A bot that is made to be killed: writes what it was handed to a file, and the position to another."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from bot.chat.events import Ack, Event, Message
from bot.platforms.telegram import TelegramPlatform


class FilePosition:
    """The position in a file, durable once saved."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> int | None:
        return int(self._path.read_text()) if self._path.exists() else None

    async def save(self, offset: int) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(str(offset))
        fresh.replace(self._path)


async def main(api_base: str, token: str, folder: Path) -> None:
    taken = os.open(folder / "taken", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def deliver(event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
        assert isinstance(event, Message)
        os.write(taken, f"{event.text}\n".encode())
        sys.stdout.write("taken\n")
        sys.stdout.flush()
        # Time for the kill to come between one and the next.
        await asyncio.sleep(0.02)
        return None

    platform = TelegramPlatform(token, api_base=api_base, menu=(), offset_store=FilePosition(folder / "position"))
    await platform.start(deliver)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
