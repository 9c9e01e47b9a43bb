"""Options: what can be typed after a command can be chosen one by one, too."""

from pathlib import Path

from bot.app import App
from bot.commands.options import options
from bot.settings import Settings


def test_every_command_that_takes_something_has_options(tmp_path: Path) -> None:
    app = App(Settings(TUNETELLER_DATA_DIR=tmp_path, TUNETELLER_WEB_PORT=0), {})  # type: ignore[call-arg]
    entries = app.registry.menu()
    without = [entry.name for entry in entries if entry.arguments and entry.name not in options()]
    assert without == []
    assert [name for name in options() if name not in {entry.name for entry in entries}] == []
