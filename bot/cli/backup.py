"""``tuneteller backup``: database, files and trainings in one archive; a bot may run meanwhile."""

from pathlib import Path

import click

from bot.cli.words import perform, say, settings, words
from bot.services.backup import Backup, file_name
from bot.settings import Settings
from storage.database import Database


@click.command("backup", help=say("cli.backup.help"))
@click.argument("file", type=click.Path(path_type=Path), required=False)
def command(file: Path | None) -> None:
    """Write the archive, readable by its owner only."""
    perform(_backup(settings(), (file or Path(file_name())).absolute()))


async def _backup(chosen: Settings, target: Path) -> None:
    database = Database(chosen.database_url)
    try:
        made = await Backup(database, chosen.data_dir.absolute()).make(target)
    finally:
        await database.close()
    click.echo(say("cli.backup.done", file=str(made.path), size=words().size(made.size), n=made.files))
    click.echo(say("cli.backup.private"))
