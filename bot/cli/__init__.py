"""The command line: one file a command."""

import click

from bot.cli.words import say
from bot.version import version as version_of


@click.group(help=say("cli.help"), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Only holds the commands together."""


@main.command(help=say("cli.version.help"))
def version() -> None:
    """Print the version."""
    click.echo(f"tuneteller {version_of()}")


# The command modules hang themselves on the group, so they come after it.
from bot.cli import backup, chat, convert, doctor, export, init, jobs, restore, run, signin, train, validate  # noqa: E402

for _module in (run, validate, convert, train, jobs, chat, doctor, init, signin, backup, restore, export):
    main.add_command(_module.command)
main.add_command(export.import_command)
