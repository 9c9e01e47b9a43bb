"""``tuneteller run``: the bot."""

import asyncio
import os
import signal
import sys
import webbrowser

import click

from bot import logs
from bot.app import App
from bot.cli.words import perform, say, settings
from bot.settings import Settings
from storage.database import database_url
from storage.lock import Seat


@click.command("run", help=say("cli.run.help"))
@click.option("--browser/--no-browser", default=None, help=say("cli.run.browser"))
def command(browser: bool | None) -> None:
    """Run until told to stop."""
    chosen = settings()
    logs.set_up(chosen.log_level, chosen.secrets)
    perform(_run(chosen, _has_screen() if browser is None else browser))


async def _run(settings: Settings, browser: bool) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    alone = database_url(settings.database_url).get_backend_name() == "sqlite"
    with Seat(settings.data_dir.absolute(), alone=alone) as seat:
        app = App(settings, replica=seat.name)
        await app.start()
        try:
            await _greet(app, settings, browser)
            await ending.wait()
            click.echo(say("cli.run.stopping"))
        finally:
            await app.stop()


async def _greet(app: App, settings: Settings, browser: bool) -> None:
    fixed = settings.owner_code.get_secret_value() if settings.owner_code else None
    code = await app.core.access.issue_owner_code(fixed)
    address = app.web.address
    click.echo()
    click.secho(say("cli.run.page", address=address), bold=True)
    if code is None:
        click.echo(say("cli.run.owned"))
    elif fixed is None:
        click.secho(say("cli.run.code", code=code), bold=True)
    else:
        click.echo(say("cli.run.fixed_code"))
    if settings.telegram_token is not None:
        click.echo(say("cli.run.telegram"))
    if settings.discord_token is not None:
        click.echo(say("cli.run.discord"))
    click.echo(say("cli.run.data", folder=str(settings.data_dir.absolute())))
    click.echo()
    sys.stdout.flush()
    if browser:
        link = f"{address}#code={code}" if code and fixed is None else address
        await asyncio.to_thread(webbrowser.open, link)


def _has_screen() -> bool:
    """Whether a browser would open before the person's eyes: on their own computer, not on a server."""
    if "SSH_CONNECTION" in os.environ or os.environ.get("CI") or not sys.stdout.isatty():
        return False
    return sys.platform == "darwin" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
