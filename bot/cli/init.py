"""``tuneteller init``: writes ``.env``."""

import os
import sys
from pathlib import Path

import click

from bot.cli.words import fail, say
from bot.settings import ALLOWED, SettingsError, read

_SECRET_MODE = 0o600


@click.command("init", help=say("cli.init.help"))
@click.option("--force", is_flag=True, help=say("cli.init.force"))
@click.option("--telegram-token", envvar=None, default=None, help=say("cli.init.token"))
def command(force: bool, telegram_token: str | None) -> None:
    """Write the file, readable by its owner only."""
    target = Path(".env")
    if target.exists() and not force:
        fail(say("cli.init.exists", file=str(target)))
    token = telegram_token
    if token is None and sys.stdin.isatty():
        token = click.prompt(say("cli.init.ask_token"), default="", hide_input=True, show_default=False)
    token = (token or "").strip()
    if token:
        try:
            read({"TELEGRAM_BOT_TOKEN": token}, Path(os.devnull))
        except SettingsError:
            fail(say("error.setting_malformed", name="TELEGRAM_BOT_TOKEN", allowed=ALLOWED["TELEGRAM_BOT_TOKEN"]), 2)
    lines = []
    for name in ALLOWED:
        lines.append(f"# {say(f'setting.{name}')}")
        lines.append(f"{name}={token}" if name == "TELEGRAM_BOT_TOKEN" and token else f"# {name}=")
        lines.append("")
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET_MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    target.chmod(_SECRET_MODE)
    click.echo(say("cli.init.written", file=str(target.absolute())))
