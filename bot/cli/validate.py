"""``tuneteller validate``: judge a file, for people and for CI. Exit 0 no errors, 1 errors found, 2 unreadable."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from bot.cards.validation import finding_line, tokens, warning_facts, what_changed
from bot.cli import images
from bot.cli.progress import Progress, progress
from bot.cli.words import fail, perform, say, settings, words
from bot.commands.desk import problem
from bot.locales import Translator
from finetune.advice import Advice, advise
from finetune.datasets import Changes, Measures, Report, Severity, Wish, examine, measured, mended
from finetune.datasets.mending.kinds import LEAVE_OUT, mends_of, of_all
from finetune.datasets.vocabularies import Tokenizer
from finetune.errors import FineTuneError, ParameterError, ProviderError
from finetune.images import Report as ImageReport
from finetune.images import looks_like_images
from finetune.parameters import ranges
from finetune.providers.local import bases
from finetune.providers.local.tokens import tokenizer

UNREADABLE = 2
# What becomes of reasoning unless somebody says otherwise.
USUAL_READING = "question_response"


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
@click.option("--reading", metavar="NAME", help=say("cli.validate.reading"))
@click.option("--mend", "mend_to", type=click.Path(path_type=Path), metavar="OUT", help=say("cli.validate.mend"))
@click.option("--leave-out", is_flag=True, help=say("cli.validate.leave_out"))
@click.option("--json", "as_json", is_flag=True, help=say("cli.validate.json"))
def command(
    file: Path,
    base: str | None,
    max_tokens: str | None,
    reading: str | None,
    mend_to: Path | None,
    leave_out: bool,
    as_json: bool,
) -> None:
    """Judge a file, and mend it into another one if that is wished for."""
    t = words()
    try:
        if looks_like_images(file):
            only_json = not (mend_to or leave_out or base or max_tokens or reading)
            _show_images(perform(_image_set(file, only_json)), file, as_json)
        limit = None if max_tokens is None else _limit(max_tokens)
        found = perform(_judge(file, base, settings().data_dir.absolute(), reading, mend_to, leave_out))
        advice = advise(found.report, found.measures, max_tokens=limit, recommended=_recommended(base))
    except Refused as refused:
        _refuse(refused, as_json)
    if as_json:
        _print_object(machine_form(found, advice, t))
    else:
        name = click.format_filename(file, shorten=True)
        click.secho(t("cli.validate.good" if found.report.ok else "cli.validate.bad", name=name), bold=True)
        print_report(found, advice, t)
        if mend_to is not None:
            _print_changes(found.changes, mend_to, t)
    sys.exit(0 if found.report.ok else 1)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a file. ``measures`` are of its good rows."""

    report: Report
    measures: Measures | None
    changes: Changes | None


async def _image_set(file: Path, only_json: bool) -> ImageReport:
    shown = click.format_filename(file)
    if not only_json:
        raise Refused("images_options", say("cli.validate.images_options", file=shown))
    async with progress():
        try:
            return await images.judged(file)
        except FineTuneError as error:
            raise Refused.by(error) from error
        except (RuntimeError, OSError) as error:
            raise Refused("judging_broke", say("error.judging_broke", file=shown, reason=str(error))) from error


def _show_images(report: ImageReport, file: Path, as_json: bool) -> NoReturn:
    if as_json:
        _print_object(images.machine_form(report, words()))
    else:
        images.show(report, click.format_filename(file, shorten=True), words())
    sys.exit(0 if report.ok else 1)


async def _judge(
    file: Path, base: str | None, data: Path, reading: str | None, mend_to: Path | None, leave_out: bool
) -> Found:
    readable(file)
    if mend_to is not None:
        check_output(file, mend_to)
    async with progress() as shown:
        with tempfile.TemporaryDirectory() as folder:
            canonical = Path(folder) / "canonical.jsonl"
            report, chosen = await judge(file, canonical, reading, shown)
            # A vocabulary is made once on each data folder, which takes some seconds.
            vocabulary = await asyncio.to_thread(_vocabulary, base, data)
            measures = await _measured(file, canonical, report, chosen, vocabulary, shown, named=base is not None)
            changes = None
            if mend_to is not None:
                changes = await _mend(file, mend_to, report, chosen, leave_out, shown)
            return Found(report, measures, changes)


async def _measured(
    file: Path,
    canonical: Path,
    report: Report,
    reading: str | None,
    vocabulary: Tokenizer | None,
    shown: Progress,
    *,
    named: bool,
) -> Measures | None:
    """What is to be measured of the good rows; None where there are none or it cannot be done.

    Raises :class:`Refused` when that is because of a base that was ``named``.
    """
    if not report.good_rows:
        return None
    try:
        if not report.ok:
            moved = shown.phase("leaving_out")
            await mended(file, canonical, Wish((LEAVE_OUT,)), name=file.name, reading=reading, moved=moved)
        return await measured(canonical, tokenizer=vocabulary, moved=shown.phase("measuring"))
    except (FineTuneError, RuntimeError) as error:
        if named:
            reason = say("error.judging_broke", file=click.format_filename(file), reason=str(error))
            raise Refused("judging_broke", reason) from error
        return None  # what was not counted is shown as not known


async def _mend(
    file: Path, out: Path, report: Report, reading: str | None, leave_out: bool, shown: Progress
) -> Changes | None:
    names = (*of_all(mends_of(report)), *((LEAVE_OUT,) if leave_out else ()))
    if not names:
        return None
    try:
        return await mended(file, out, Wish(names), name=file.name, reading=reading, moved=shown.phase("mending"))
    except FineTuneError as error:
        raise Refused.by(error) from error
    except OSError as error:
        reason = say("error.output_unwritable", file=click.format_filename(out), reason=error.strerror or "?")
        raise Refused("output_unwritable", reason) from error


def check_output(file: Path, out: Path, *, force: bool = False) -> None:
    """Raise :class:`Refused` for a place that must not be written to."""
    shown = click.format_filename(out)
    if out.exists() and out.samefile(file):
        raise Refused("output_is_input", say("error.output_is_input", file=shown))
    if out.is_dir():
        raise Refused("output_is_folder", say("error.output_is_folder", file=shown))
    if os.path.lexists(out) and not force:
        raise Refused("output_exists", say("cli.init.exists", file=shown))


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


async def judge(file: Path, canonical: Path, reading: str | None, shown: Progress) -> tuple[Report, str | None]:
    """The report and the reading that was used; the canonical form of a file without errors is in ``canonical``.

    Raises :class:`Refused`. Reasoning is left out, as the tutorial does it, unless the reading says otherwise; any
    other choice is for whoever called.
    """
    try:
        moved = shown.phase("judging")
        return await examine(file, canonical, name=file.name, reading=reading, moved=moved), reading
    except FineTuneError as error:
        names = readings_of(error)
        if reading is None and names and all(name.startswith(USUAL_READING) for name in names):
            return await judge(file, canonical, USUAL_READING, shown)
        if names:
            raise Refused(error.code, say("cli.ambiguous", names=", ".join(names))) from error
        raise Refused.by(error) from error
    except RuntimeError as error:
        # Status 1 would say that the file has errors, which nobody knows when its judge has died.
        reason = say("error.judging_broke", file=click.format_filename(file), reason=str(error))
        raise Refused("judging_broke", reason) from error


def readings_of(error: FineTuneError) -> list[str]:
    """The ways to read a file between which somebody has to choose; none for any other error."""
    readings: Any = error.fields.get("readings", ())
    return [str(reading["name"]) for reading in readings]


def _limit(value: str) -> int:
    allowed = ranges()["max_tokens"]
    try:
        return int(allowed.check(int(value)))
    except ValueError:
        error = ParameterError("parameter_whole", name="max_tokens", value=value[:40], range=allowed.describe())
        raise Refused.by(error) from None
    except ParameterError as error:
        raise Refused.by(error) from error


def _vocabulary(base: str | None, data: Path) -> Tokenizer | None:
    """The base's vocabulary. Only one that was asked for by name has to be there."""
    try:
        return tokenizer(data, base)
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


def machine_form(found: Found, advice: tuple[Advice, ...], t: Translator) -> dict[str, object]:
    """The object that ``--json`` prints; null is what nobody counted."""
    report, measures = found.report, found.measures
    return {
        "ok": report.ok,
        "format": report.format,
        "encoding": report.encoding,
        "rows": report.rows,
        "turns": report.turns,
        "characters": report.characters,
        "tokens": {
            "count": measures.tokens.count if measures else None,
            "method": measures.tokens.method if measures else None,
            "exact": measures.tokens.exact if measures else None,
        },
        "duplicates": {
            "exact": report.exact_duplicates,
            "near": measures.duplicates.near if measures else None,
        },
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


def print_report(found: Found, advice: tuple[Advice, ...], t: Translator) -> None:
    """What was understood, what is wrong, what to do about it."""
    report, measures = found.report, found.measures
    for note in report.notes:
        click.echo(t(f"dataset.note.{note}"))
    click.echo(t("fact.rows.value", n=report.rows, turns=report.turns))
    click.echo(f"{t('fact.tokens')}: {tokens(t, measures)}")
    if measures is not None:
        for key, value in warning_facts(t, report, measures):
            click.echo(f"{key}: {value}")
    print_findings(report, t)
    for piece in advice:
        click.echo("→ " + t(f"advice.{piece.code}", **piece.fields))


def _print_changes(changes: Changes | None, out: Path, t: Translator) -> None:
    if changes is None or not changes.touched:
        click.echo(t("error.nothing_to_mend"))
        return
    click.secho(t("cli.validate.mended", file=click.format_filename(out)), bold=True)
    click.echo(what_changed(t, changes))


def print_findings(report: Report, t: Translator) -> None:
    """Every finding that was kept, and how many more there are."""
    for finding in report.findings:
        click.secho(finding_line(t, finding), fg="red" if finding.severity is Severity.ERROR else "yellow")
    if report.findings_total > len(report.findings):
        click.echo(t("card.judged.more", n=report.findings_total - len(report.findings)))
