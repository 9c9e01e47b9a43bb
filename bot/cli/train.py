"""``tuneteller train``: from a file to a tuned model, without a chat."""

import asyncio
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from bot.cards.confirm import time_range
from bot.cards.images import finding_line as image_finding_line
from bot.cards.job import failure_sentence
from bot.cards.validation import finding_line
from bot.cli.desk import PLACE, core, lock_if_free, operator, watching
from bot.cli.validate import USUAL_READING, readings_of
from bot.cli.words import fail, perform, say, settings, terminal_language, words
from bot.commands.flags import parse
from bot.commands.training import line_of, wish_of
from bot.core import Core
from bot.services.access import Member
from bot.services.images import HeldImages
from bot.services.library import File, Held, Judged, Library
from bot.services.runs import Run
from bot.services.watch import Watch
from bot.settings import Settings
from finetune.errors import DatasetError
from finetune.images import looks_like_images
from finetune.jobs import JobState
from storage.repositories import jobs
from storage.tables import Job

_LOOK = 1.0


@click.command(
    "train",
    help=say("cli.train.help"),
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--wait", is_flag=True, help=say("cli.train.wait"))
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def command(file: Path, wait: bool, flags: tuple[str, ...]) -> None:
    """Train on a file."""
    if not file.is_file() and not looks_like_images(file):
        fail(say("error.file_missing", file=str(file)), 2)
    perform(_train(settings(), file, shlex.join(flags), wait))


async def _train(chosen: Settings, file: Path, flags: str, wait: bool) -> None:
    t = words()
    wanted = parse(flags)
    async with core(chosen) as found:
        member = await operator(found)
        await found.tokens.prepare()
        held: Held | HeldImages
        if looks_like_images(file):
            if not found.training.draws:
                fail(t("error.images_no_provider"))
            held = await _pictures(found, file, member)
        else:
            held = await _rows(found, file, member)
        run = await found.training.plan(wish_of(wanted, dataset=held.dataset.id), member)
        _show_plan(run)
        if wanted.dry_run:
            return
        lock = lock_if_free(chosen)
        try:
            job, _ = await found.training.start(
                run,
                member,
                intent=f"terminal:{secrets.token_hex(8)}",
                line=line_of(run),
                place=PLACE,
                language=terminal_language(),
                request=None,
                card=None,
            )
            if lock is None:
                await _follow(found, job, None, wait)
            else:
                async with watching(found) as watch:
                    await _follow(found, job, watch, wait)
        finally:
            if lock:
                lock.free()


async def _rows(found: Core, file: Path, member: Member) -> Held:
    """The dataset that a file becomes; ends with its findings if they keep it from that."""
    stored = await found.library.receive(_pieces(file), sys.maxsize)
    judged = await _judged(found.library, File(stored.digest, file.name), member)
    if judged.held is None:
        _refuse(file, [finding_line(words(), finding) for finding in judged.report.findings])
    return judged.held


async def _pictures(found: Core, file: Path, member: Member) -> HeldImages:
    """The same for a ``.zip`` or a folder of pictures."""
    if file.is_file():
        stored = await found.library.receive(_pieces(file), sys.maxsize)
        judged = await found.images.judge(File(stored.digest, file.name), member)
        report, held = judged.report, judged.held
    else:
        examined = await found.images.examine(file)
        report, held = examined.report, None
        if examined.canonical:
            assert member.id is not None
            async with found.database.transaction() as session:
                held = await found.images.keep(session, member.id, file.resolve().name, examined)
    if held is None:
        _refuse(file, [image_finding_line(words(), finding) for finding in report.findings])
    return held


def _refuse(file: Path, lines: Sequence[str]) -> NoReturn:
    for line in lines:
        click.secho(line, err=True, fg="red")
    fail(say("cli.validate.bad", name=file.name))


async def _judged(library: Library, file: File, member: Member) -> Judged:
    try:
        return await library.judge(file, member)
    except DatasetError as error:
        names = readings_of(error)
        if names and all(name.startswith(USUAL_READING) for name in names):
            return await library.judge(replace(file, reading=USUAL_READING), member)
        raise


def _show_plan(run: Run) -> None:
    t = words()
    click.secho(line_of(run), bold=True)
    click.echo(f"{t('fact.base')}: {run.base.name} · {t('fact.steps')}: {run.plan.steps}")
    click.echo(f"{t('fact.time')}: {time_range(t, run.plan.seconds)}")


async def _follow(found: Core, job: Job, watch: Watch | None, wait: bool) -> None:
    """Start it (or leave that to the running bot); with ``wait`` stay until it has ended."""
    if not wait:
        if watch is not None:
            await watch.look()
        click.echo(say("cli.train.started" if watch else "cli.train.handed_over", n=job.id))
        async with found.database.transaction() as session:
            fresh = await jobs.get(session, job.id)
        if fresh is not None and fresh.state == JobState.AWAITING_OPERATOR.value:
            click.echo(_line(fresh))
        return
    shown = ""
    while True:
        if watch is not None:
            await watch.look()
        async with found.database.transaction() as session:
            fresh = await jobs.get(session, job.id)
        assert fresh is not None
        line = _line(fresh)
        if line != shown:
            click.echo(line)
            shown = line
        if JobState(fresh.state).ended:
            await _ended(found, fresh)
            return
        await asyncio.sleep(_LOOK)


def _line(job: Job) -> str:
    t = words()
    facts = job.progress or {}
    line = t("card.job", n=job.id, name=job.name, state=t(f"state.{job.state}"))
    if facts.get("steps") and facts.get("step") is not None:
        line += " · " + t("job.step", step=facts["step"], steps=facts["steps"])
        if facts.get("loss") is not None:
            line += f" · {facts['loss']:.3f}"
    if job.state == JobState.AWAITING_OPERATOR.value:
        line += "\n" + t("job.awaiting", command=f"/handover_{job.id}")
    return line


async def _ended(found: Core, job: Job) -> None:
    if JobState(job.state) is not JobState.SUCCEEDED:
        fail(failure_sentence(words(), job) if JobState(job.state) is JobState.FAILED else say("state.cancelled"))
    model = await found.releases.of_job(job.id)
    assert model is not None
    click.secho(say("cli.train.done", version=f"v{model.version}", model=model.external_id), bold=True)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            yield chunk
