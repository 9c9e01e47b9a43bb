"""What ``tuneteller validate`` says of an image set."""

import tempfile
from pathlib import Path

import click

from bot.cards.images import facts, finding_line
from bot.locales import Translator
from finetune.images import FORMAT, Report, Severity, examine


async def judged(source: Path) -> Report:
    """Judge a folder or a ``.zip`` and keep nothing of it. Raises as :func:`finetune.images.examine` does."""
    with tempfile.TemporaryDirectory() as folder:
        return await examine(source, Path(folder) / "canonical.zip")


def machine_form(report: Report, t: Translator) -> dict[str, object]:
    """The object that ``--json`` prints."""
    return {
        "ok": report.ok,
        "format": FORMAT,
        "images": report.images_total,
        "captions": report.captions,
        "bytes": report.total_bytes,
        "findings": [
            {
                "severity": finding.severity.value,
                "file": finding.file,
                "reason": t(f"image.{finding.code}", **finding.fields),
            }
            for finding in report.findings
        ],
        "findings_total": report.findings_total,
    }


def show(report: Report, name: str, t: Translator) -> None:
    """The same for people."""
    click.secho(t("image.card.good" if report.ok else "image.card.bad", name=name), bold=True)
    for note in report.notes:
        click.echo(t(f"image.note.{note.code}", **note.fields))
    for key, value in facts(t, report):
        click.echo(f"{key}: {value}")
    for finding in report.findings:
        click.secho(finding_line(t, finding), fg="red" if finding.severity is Severity.ERROR else "yellow")
    if report.findings_total > len(report.findings):
        click.echo(t("card.judged.more", n=report.findings_total - len(report.findings)))
