"""``tuneteller jobs``: what was trained, is trained, will be trained."""

import click

from bot.cli.desk import core, lock_if_free, watching
from bot.cli.words import perform, say, settings, words
from bot.settings import Settings


@click.command("jobs", help=say("cli.jobs.help"))
def command() -> None:
    """List the jobs."""
    perform(_jobs(settings()))


async def _jobs(chosen: Settings) -> None:
    t = words()
    async with core(chosen) as found:
        lock = lock_if_free(chosen)
        if lock is not None:
            try:
                async with watching(found) as watch:
                    await watch.look()
            finally:
                lock.free()
        listed = await found.training.listing(50)
    if not listed:
        click.echo(t("cli.jobs.none"))
    for job in listed:
        facts = job.progress or {}
        step = f"{facts['step']}/{facts['steps']}" if facts.get("steps") and facts.get("step") is not None else ""
        click.echo(f"{job.id:>4}  {t(f'state.{job.state}'):<12}  {step:<9}  {t.when(job.created_at)}  {job.name}")
