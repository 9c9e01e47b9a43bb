"""``tuneteller signin``: a code for the owner's next browser."""

import click

from bot.cli.desk import core
from bot.cli.words import fail, perform, say, settings
from bot.settings import Settings


@click.command("signin", help=say("cli.signin.help"))
def command() -> None:
    """Print a one-time code."""
    perform(_signin(settings()))


async def _signin(chosen: Settings) -> None:
    async with core(chosen) as found:
        code = await found.access.issue_signin_code()
    if code is None:
        fail(say("cli.signin.nobody"))
    click.echo(say("cli.signin.code", code=code))
