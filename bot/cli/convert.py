"""``tuneteller convert``: write the form that training reads. Exit 0 written, 1 errors found, 2 unreadable."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import click

from bot.cli.progress import progress
from bot.cli.validate import UNREADABLE, Refused, check_output, judge, print_findings, readable
from bot.cli.words import fail, perform, say, words
from finetune.datasets import Report


@click.command("convert", help=say("cli.convert.help"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(["messages"]), required=True, help=say("cli.convert.to"))
@click.option(
    "-o", "--output", "out", type=click.Path(path_type=Path), metavar="OUT", required=True, help=say("cli.convert.out")
)
@click.option("--reading", metavar="NAME", help=say("cli.validate.reading"))
@click.option("--force", is_flag=True, help=say("cli.convert.force"))
def command(file: Path, form: str, out: Path, reading: str | None, force: bool) -> None:
    """Convert a file."""
    t = words()
    try:
        report = perform(_convert(file, out, reading, force))
    except Refused as refused:
        fail(refused.reason, UNREADABLE)
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    except OSError as error:
        written = click.format_filename(out)
        fail(say("error.output_unwritable", file=written, reason=error.strerror or "?"), UNREADABLE)
    if not report.ok:
        click.secho(t("cli.validate.bad", name=click.format_filename(file, shorten=True)), bold=True)
        print_findings(report, t)
        sys.exit(1)
    for note in report.notes:
        click.echo(t(f"dataset.note.{note}"))
    click.secho(t("cli.convert.written", file=click.format_filename(out), rows=report.good_rows), bold=True)
    if report.findings_total:
        click.echo(t("cli.convert.warnings", count=report.findings_total))


async def _convert(file: Path, out: Path, reading: str | None, force: bool) -> Report:
    readable(file)
    check_output(file, out, force=force)
    _end_tidily()
    handle, name = tempfile.mkstemp(prefix=".tuneteller-", dir=out.parent)
    os.close(handle)
    canonical = Path(name)
    try:
        async with progress() as shown:
            report, _ = await judge(file, canonical, reading, shown)
        if report.ok:
            # Judging takes its time, and somebody else may have written there meanwhile.
            check_output(file, out, force=force)
            canonical.replace(out)
            _sync(out.parent)
        return report
    finally:
        canonical.unlink(missing_ok=True)


def _end_tidily() -> None:
    """A service manager's or CI's word to stop would otherwise leave the temporary file behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _sync(folder: Path) -> None:
    """A rename is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
