"""``tuneteller export`` and ``tuneteller import``: a tuned model as one file."""

from pathlib import Path

import click

from bot.cli.desk import core, operator
from bot.cli.words import fail, perform, say, settings
from bot.commands.versions import version_of
from bot.settings import Settings


@click.command("export", help=say("cli.export.help"))
@click.argument("version")
@click.option("-o", "--output", type=click.Path(path_type=Path), help=say("cli.export.output"))
def command(version: str, output: Path | None) -> None:
    """Write a model's file."""
    perform(_export(settings(), version, output))


async def _export(chosen: Settings, version: str, output: Path | None) -> None:
    async with core(chosen) as found:
        model = await found.releases.by_version(version_of(version))
        target = output or Path(file_name(model.name, model.version))
        if target.exists():
            fail(say("cli.export.exists", file=str(target)))
        part = target.with_name(f".{target.name}.part")
        try:
            await found.exports.export(model, part, await operator(found))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        click.echo(say("cli.export.done", file=str(target), size=f"{target.stat().st_size / 1e6:.1f}"))


@click.command("import", help=say("cli.import.help"))
@click.argument("file", type=click.Path(path_type=Path))
def import_command(file: Path) -> None:
    """Take a model in."""
    if not file.is_file():
        fail(say("error.file_missing", file=str(file)), 2)
    perform(_import(settings(), file))


async def _import(chosen: Settings, file: Path) -> None:
    async with core(chosen) as found:
        model = await found.exports.take_in(file, await operator(found))
        click.echo(say("cli.import.done", name=model.name, version=f"v{model.version}"))


def file_name(name: str, version: int) -> str:
    """What a model's file is called: letters and digits of its name, never a path."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")[:60]
    return f"{plain or 'model'}-v{version}.tuneteller.zip"
