"""What a person at a terminal sees while a file is worked on; a log or a pipe gets nothing."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import click

from bot.cli.words import say
from finetune.progress import Moved

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_PATIENCE = 1.0  # seconds that nobody wonders about
_FRAME = 0.1
_WIDTH = 24  # of the bar, so that all of the line fits into eighty columns
_UP_AND_AWAY = "\x1b[1A\r\x1b[K"
_AWAY = "\r\x1b[K"


class Progress:
    """What is done now, and how far it is. ``shown``: whether anybody sees it."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._name = ""
        self._done = self._total = 0
        self._bar: ProgressBar[int] | None = None
        self._line = False

    def phase(self, name: str) -> Moved | None:
        """What is done from now on: the rest of a key ``cli.progress.*``. Returns who is to be told how far it is."""
        self._clear()
        self._name, self._done, self._total = name, 0, 0
        return self._move if self._shown else None

    def _move(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    async def draw(self) -> None:
        """Keep the terminal in step until cancelled, and leave nothing on it."""
        clock = asyncio.get_running_loop().time
        begin = clock()
        await asyncio.sleep(_PATIENCE)
        try:
            while True:
                if self._total:
                    self._draw_bar()
                else:
                    # Who does not know its end can only say that it goes on.
                    click.echo("\r" + say("cli.still_reading", seconds=str(round(clock() - begin))), nl=False, err=True)
                    self._line = True
                await asyncio.sleep(_FRAME)
        finally:
            self._clear()

    def _draw_bar(self) -> None:
        if self._bar is None:
            self._clear()
            self._bar = click.progressbar(
                length=self._total,
                label=say(f"cli.progress.{self._name}"),
                file=sys.stderr,
                width=_WIDTH,
                item_show_func=self._megabytes,
            )
        self._bar.update(self._done - self._bar.pos)
        self._bar.render_progress()

    def _megabytes(self, _item: object) -> str:
        return say("cli.progress.bytes", done=f"{self._done / 1e6:.1f}", total=f"{self._total / 1e6:.1f}")

    def _clear(self) -> None:
        if self._bar is not None:
            # Gives the cursor back, on a new line.
            self._bar.render_finish()
            click.echo(_UP_AND_AWAY, nl=False, err=True)
        elif self._line:
            click.echo(_AWAY, nl=False, err=True)
        self._bar, self._line = None, False


@asynccontextmanager
async def progress() -> AsyncIterator[Progress]:
    """Keep a person company meanwhile, from the second second on."""
    found = Progress(shown=sys.stderr.isatty())
    drawing = asyncio.create_task(found.draw()) if sys.stderr.isatty() else None
    try:
        yield found
    finally:
        if drawing is not None:
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing
