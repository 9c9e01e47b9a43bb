"""The bot that is killed: ``python -m tests.crash.victim OUTSIDE MODEL KEY FOLDER [POINT …]``.

A point is ``module:function:before|after:count``: when that function is called (or returns) for the ``count``-th time,
the process writes the point's name to ``FOLDER/points`` and ends at once, without a farewell.
"""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from bot import logs
from bot.app import App
from bot.settings import read
from finetune.providers.provider import Endpoint
from storage.database import database_url
from storage.lock import Seat
from tests.crash.outside import OutsideProvider


def arm(point: str, points: Path) -> None:
    """Let the process end at a point."""
    module, path, when, count = point.split(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each)
    wrapped: Callable[..., Awaitable[Any]] = getattr(owner, name)
    left = int(count)

    def end() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            with points.open("a") as file:
                file.write(f"{point}\n")
            os._exit(9)

    async def call(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            end()
        result = await wrapped(*arguments, **named)
        if when == "after":
            end()
        return result

    setattr(owner, name, call)


async def main(outside: str, model: str, key: str) -> None:
    """Run until told to stop."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    settings = read()
    assert settings.telegram_token is not None
    logs.set_up(settings.log_level, [settings.telegram_token.get_secret_value()])
    provider = OutsideProvider(outside, Endpoint(model, key, "model", 2048))
    alone = database_url(settings.database_url).get_backend_name() == "sqlite"
    with Seat(settings.data_dir.absolute(), alone=alone) as seat:
        app = App(settings, {provider.name: provider}, watch_period=0.05, replica=seat.name, at_once={provider.name: 1})
        await app.start()
        await app.core.access.issue_owner_code("THE-OWNERS-CODE")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await ending.wait()
        await app.stop()


if __name__ == "__main__":
    for each in sys.argv[5:]:
        arm(each, Path(sys.argv[4]) / "points")
    uvloop.run(main(*sys.argv[1:4]))
