"""``tuneteller validate``: judge a file, for people and for CI. Exit 0 no errors, 1 errors found, 2 unreadable."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn

import click

from bot.cards.validation import finding_line
from bot.cli.words import fail, perform, say, settings, words
from bot.commands.desk import problem
from bot.locales import Translator
from finetune.advice import Advice, advise
from finetune.datasets import Report, Severity, examine
from finetune.errors import FineTuneError, ParameterError, ProviderError
from finetune.parameters import ranges
from finetune.providers.local import bases
from finetune.providers.local.tokens import tokenizer_file

UNREADABLE = 2
_PATIENCE = 1.0  # seconds that nobody wonders about


class Refused(Exception):
    """Why nothing was judged: a code for programs, a sentence for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason

    @classmethod
    def by(cls, error: FineTuneError) -> "Refused":
        """What a person is told of an error."""
        return cls(error.code, problem(words(), error))


@click.command("validate", help=say("cli.validate.help"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--base", metavar="ID", help=say("cli.validate.base"))
@click.option("--max-tokens", metavar="N", help=say("cli.validate.max_tokens"))
@click.option("--json", "as_json", is_flag=True, help=say("cli.validate.json"))
def command(file: Path, base: str | None, max_tokens: str | None, as_json: bool) -> None:
    """Judge a file."""
    t = words()
    try:
        limit = None if max_tokens is None else _limit(max_tokens)
        report = perform(_judge(file, base, settings().data_dir.absolute()))
        advice = advise(report, max_tokens=limit, recommended=_recommended(base))
    except Refused as refused:
        _refuse(refused, as_json)
    if as_json:
        _print_object(machine_form(report, advice, t))
    else:
        name = click.format_filename(file, shorten=True)
        click.secho(t("cli.validate.good" if report.ok else "cli.validate.bad", name=name), bold=True)
        print_report(report, advice, t)
    sys.exit(0 if report.ok else 1)


async def _judge(file: Path, base: str | None, data: Path) -> Report:
    readable(file)
    async with still_reading():
        # A vocabulary is made once on each data folder, which takes some seconds.
        tokenizer = await asyncio.to_thread(_tokenizer, base, data)
        with tempfile.TemporaryDirectory() as folder:
            return await judge(file, Path(folder) / "canonical.jsonl", tokenizer)


def readable(file: Path) -> None:
    """Raise :class:`Refused` for a file that cannot even be opened."""
    shown = click.format_filename(file)
    if not file.is_file():
        raise Refused("file_missing", say("error.file_missing", file=shown))
    try:
        file.open("rb").close()
    except OSError as error:
        reason = say("error.file_unreadable", file=shown, reason=error.strerror or "?")
        raise Refused("file_unreadable", reason) from error


async def judge(file: Path, canonical: Path, tokenizer: Path | None = None) -> Report:
    """The report, and the canonical form of a file without errors in ``canonical``. Raises :class:`Refused`."""
    try:
        return await examine(file, canonical, tokenizer=tokenizer, name=file.name)
    except FineTuneError as error:
        raise Refused.by(error) from error
    except RuntimeError as error:
        # Status 1 would say that the file has errors, which nobody knows when its judge has died.
        reason = say("error.judging_broke", file=click.format_filename(file), reason=str(error))
        raise Refused("judging_broke", reason) from error


@asynccontextmanager
async def still_reading() -> AsyncIterator[None]:
    """Keep a person company; a log or a pipe gets nothing."""
    if not sys.stderr.isatty():
        yield
        return
    ticking = asyncio.create_task(_tick())
    try:
        yield
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


async def _tick() -> None:
    clock = asyncio.get_running_loop().time
    begin = clock()
    await asyncio.sleep(_PATIENCE)
    try:
        while True:
            line = say("cli.still_reading", seconds=str(round(clock() - begin)))
            click.echo(f"\r{line}", nl=False, err=True)
            await asyncio.sleep(_PATIENCE)
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _limit(value: str) -> int:
    allowed = ranges()["max_tokens"]
    try:
        return int(allowed.check(int(value)))
    except ValueError:
        error = ParameterError("parameter_whole", name="max_tokens", value=value[:40], range=allowed.describe())
        raise Refused.by(error) from None
    except ParameterError as error:
        raise Refused.by(error) from error


def _tokenizer(base: str | None, data: Path) -> Path | None:
    """The base's vocabulary. Only one that was asked for by name has to be there."""
    try:
        return tokenizer_file(data, base)
    except (FineTuneError, ImportError, OSError) as error:
        if base is None:
            return None
        raise _without_tokenizer(error, data) from error


def _without_tokenizer(error: FineTuneError | ImportError | OSError, data: Path) -> Refused:
    if isinstance(error, FineTuneError):
        return Refused.by(error)
    if isinstance(error, ImportError):
        return Refused.by(ProviderError("local_not_installed", missing=error.name, command=bases.EXTRA_COMMAND))
    return Refused("folder_bad", say("doctor.folder_bad", folder=str(data), reason=error.strerror or "?"))


def _recommended(base: str | None) -> Mapping[str, float]:
    return {} if base is None else bases.locate(base).base.recommended


def machine_form(report: Report, advice: tuple[Advice, ...], t: Translator) -> dict[str, object]:
    """The object that ``--json`` prints; null is what nobody counted."""
    tokens = report.tokens
    return {
        "ok": report.ok,
        "format": report.format,
        "encoding": report.encoding,
        "rows": report.rows,
        "turns": report.turns,
        "characters": report.characters,
        "tokens": {
            "count": tokens.count if tokens else None,
            "method": tokens.method if tokens else None,
            "exact": tokens.exact if tokens else None,
        },
        "duplicates": {"exact": report.exact_duplicates, "near": None},
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "line": finding.line,
                "message": finding.message,
                "reason": t(f"finding.{finding.code}", **finding.fields),
                "mendable": finding.mendable,
            }
            for finding in report.findings
        ],
        "findings_total": report.findings_total,
        "advice": [{"code": piece.code, "text": t(f"advice.{piece.code}", **piece.fields)} for piece in advice],
    }


def _refuse(refused: Refused, as_json: bool) -> NoReturn:
    if not as_json:
        fail(refused.reason, UNREADABLE)
    _print_object({"ok": False, "error": {"code": refused.code, "reason": refused.reason}})
    sys.exit(UNREADABLE)


def _print_object(found: Mapping[str, object]) -> None:
    # JSON is UTF-8 wherever it is read, whatever the terminal's encoding is.
    click.echo(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))


def print_report(report: Report, advice: tuple[Advice, ...], t: Translator) -> None:
    """What was understood, what is wrong, what to do about it."""
    for note in report.notes:
        click.echo(t(f"dataset.note.{note}"))
    click.echo(t("fact.rows.value", n=report.rows, turns=report.turns))
    counted = t("fact.tokens.unknown")
    if report.tokens is not None:
        key = "fact.tokens.exact" if report.tokens.exact else "fact.tokens.sampled"
        counted = t(key, n=report.tokens.count, method=report.tokens.method)
    click.echo(f"{t('fact.tokens')}: {counted}")
    print_findings(report, t)
    for piece in advice:
        click.echo("→ " + t(f"advice.{piece.code}", **piece.fields))


def print_findings(report: Report, t: Translator) -> None:
    """Every finding that was kept, and how many more there are."""
    for finding in report.findings:
        click.secho(finding_line(t, finding), fg="red" if finding.severity is Severity.ERROR else "yellow")
    if report.findings_total > len(report.findings):
        click.echo(t("card.judged.more", n=report.findings_total - len(report.findings)))
