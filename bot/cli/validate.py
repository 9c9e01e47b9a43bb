"""``tuneteller validate``: judge a file, for people and for CI. Exit 0 good, 1 errors found, 2 unreadable."""

import json
import sys
import tempfile
from pathlib import Path

import click

from bot.cards.validation import finding_line
from bot.cli.words import fail, perform, say, settings, words
from bot.locales import Translator
from finetune.datasets import Report, examine
from finetune.errors import FineTuneError
from finetune.providers.local.tokens import tokenizer_file


@click.command("validate", help=say("cli.validate.help"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=say("cli.validate.json"))
def command(file: Path, as_json: bool) -> None:
    """Judge a file."""
    t = words()
    if not file.is_file():
        fail(say("error.file_missing", file=str(file)), 2)
    report = perform(_examine(file, as_json))
    if as_json:
        click.echo(json.dumps(machine_form(report, t), ensure_ascii=False))
    else:
        _print(report, t, file.name)
    sys.exit(0 if report.ok else 1)


async def _examine(file: Path, as_json: bool) -> Report:
    try:
        tokenizer = tokenizer_file(settings().data_dir.absolute())
    except FineTuneError:
        tokenizer = None
    try:
        with tempfile.TemporaryDirectory() as folder:
            return await examine(file, Path(folder) / "canonical.jsonl", tokenizer=tokenizer, name=file.name)
    except FineTuneError as error:
        reason = say(f"error.{error.code}", **error.fields)
        if as_json:
            click.echo(json.dumps({"ok": False, "error": error.code, "reason": reason}, ensure_ascii=False))
        fail(reason, 2)


def machine_form(report: Report, t: Translator) -> dict[str, object]:
    """The object that ``--json`` prints."""
    tokens = report.tokens
    return {
        "ok": report.ok,
        "format": report.format,
        "encoding": report.encoding,
        "rows": report.rows,
        "turns": report.turns,
        "characters": report.characters,
        "tokens": {"count": tokens.count, "method": tokens.method, "exact": tokens.exact} if tokens else None,
        "duplicates": {"exact": report.exact_duplicates},
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "line": finding.line,
                "row": finding.row,
                "message": finding.message,
                "code": finding.code,
                "reason": t(f"finding.{finding.code}", **finding.fields),
                "mendable": finding.mendable,
            }
            for finding in report.findings
        ],
        "findings_total": report.findings_total,
        "by_rule": dict(report.by_rule),
        "notes": [{"code": note, "text": t(f"dataset.note.{note}")} for note in report.notes],
    }


def _print(report: Report, t: Translator, name: str) -> None:
    click.secho(t("cli.validate.good" if report.ok else "cli.validate.bad", name=name), bold=True)
    for note in report.notes:
        click.echo(t(f"dataset.note.{note}"))
    click.echo(t("fact.rows.value", n=report.rows, turns=report.turns))
    if report.tokens is not None:
        key = "fact.tokens.exact" if report.tokens.exact else "fact.tokens.sampled"
        click.echo(f"{t('fact.tokens')}: {t(key, n=report.tokens.count, method=report.tokens.method)}")
    for finding in report.findings:
        click.secho(finding_line(t, finding), fg="red" if finding.severity == "error" else "yellow")
    if report.findings_total > len(report.findings):
        click.echo(t("card.judged.more", n=report.findings_total - len(report.findings)))
