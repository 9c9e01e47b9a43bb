"""``tuneteller signin``: a code for the next browser of the owner, or of somebody else."""

import click

from bot.cli.desk import core
from bot.cli.words import fail, perform, say, settings
from bot.settings import Settings


@click.command("signin", help=say("cli.signin.help"))
@click.option("--person", type=int, default=None, help=say("cli.signin.person"))
def command(person: int | None) -> None:
    """Print a one-time code."""
    perform(_signin(settings(), person))


async def _signin(chosen: Settings, person: int | None) -> None:
    async with core(chosen) as found:
        code = await found.access.issue_signin_code(person)
    if code is None:
        fail(say("cli.signin.nobody"))
    click.echo(say("cli.signin.code", code=code))
