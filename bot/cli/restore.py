"""``tuneteller restore``: puts an archive of ``tuneteller backup`` back."""

from pathlib import Path

import click

from bot.cli.words import perform, say, settings, words
from bot.platforms.web import WebPlatform
from bot.services.backup import restore
from bot.settings import Settings
from storage.database import Database
from storage.lock import FolderLock


@click.command("restore", help=say("cli.restore.help"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help=say("cli.restore.force"))
def command(file: Path, force: bool) -> None:
    """Put it back; what was there is kept."""
    perform(_restore(settings(), file.absolute(), force))


async def _restore(chosen: Settings, file: Path, force: bool) -> None:
    data_dir = chosen.data_dir.absolute()
    with FolderLock(data_dir):
        database = Database(chosen.database_url)
        try:
            done = await restore(file, database, data_dir, force=force, own=(WebPlatform.name,))
        finally:
            await database.close()
    t = words()
    click.echo(say("cli.restore.done", when=t.when(done.made_at), n=done.files))
    if done.aside is not None:
        click.echo(say("cli.restore.aside", place=done.aside))
    for line in ("jobs", "access", "since"):
        click.echo(say(f"cli.restore.{line}"))
