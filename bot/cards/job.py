"""A job while it waits and runs, how it ended, and what it made."""

from datetime import datetime
from typing import Any

from bot.cards.confirm import time_range
from bot.cards.money import cost_line
from bot.cards.operating import title as provider_title
from bot.chat.content import Bar, Block, Button, ButtonStyle, Card, Chart, Code, Fields, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.money import By, Cost
from bot.services.training import Queue
from finetune.jobs import JobState
from finetune.providers.profiles import names
from storage.tables import Job, TunedModel

_SILENT_AFTER = 60.0  # seconds without a sign of life that are worth saying
_POINTS = 60


def progress(
    t: Translator,
    keypad: Keypad,
    job: Job,
    before: Queue,
    at: datetime,
    checkpoint: int | None = None,
    cost: Cost | None = None,
) -> Card:
    """The job card, edited in place. ``before``: what is before it; ``checkpoint``: the step it can go on after;
    ``cost``: what it cost, once it has ended.
    """
    state = JobState(job.state)
    facts = job.progress or {}
    blocks: list[Block] = []
    if state.ended:
        blocks.append(Fields(tuple(_ended_facts(t, job, cost))))
        if state is JobState.FAILED:
            blocks.append(Paragraph(failure_sentence(t, job), Tone.ERROR))
    elif job.cancel_requested:
        blocks.append(Paragraph(t("job.cancelling"), Tone.WARNING))
    elif state is JobState.AWAITING_OPERATOR:
        blocks.append(Paragraph(t("job.awaiting", command=f"/handover_{job.id}"), Tone.WARNING))
    elif state is JobState.QUEUED and job.handle is None:
        blocks.append(Paragraph(t("job.waiting", n=before.jobs) if before.jobs else t("job.starting")))
        if before.seconds:
            blocks.append(Fields(((t("fact.begins_in"), time_range(t, before.seconds)),)))
        seconds = job.plan.get("seconds")
        if seconds:
            blocks.append(Fields(((t("fact.time"), time_range(t, (seconds[0], seconds[1]))),)))
    else:
        blocks.extend(_running(t, facts))
    if not state.ended and job.word and job.provider in names():
        blocks.append(Paragraph(t("job.word", provider=provider_title(t, job.provider), word=job.word), Tone.MUTED))
    quiet = silence(job, at)
    if quiet is not None:
        blocks.append(Paragraph(t("job.silent", time=t.duration(quiet)), Tone.WARNING))
    if job.attempt > 1 and not state.ended:
        blocks.append(Paragraph(t("job.resumed", n=job.attempt), Tone.MUTED))
    blocks.append(Paragraph(_recipe(t, job), Tone.MUTED))
    title = t("card.job", n=job.id, name=job.name, state=t(f"state.{state.value}"))
    tone = {JobState.SUCCEEDED: Tone.GOOD, JobState.FAILED: Tone.ERROR}.get(state, Tone.NORMAL)
    return Card(title, tuple(blocks), _buttons(t, keypad, job, state, checkpoint), tone=tone, rings=False)


def _running(t: Translator, facts: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    step, steps = facts.get("step"), facts.get("steps")
    if step is not None and steps:
        left = facts.get("seconds_left")
        caption = t("job.step", step=step, steps=steps)
        if left is not None:
            caption = t("job.step.left", step=step, steps=steps, left=t.duration(left))
        blocks.append(Bar(min(1.0, step / steps), caption))
    else:
        blocks.append(Bar(None, t("job.preparing")))
    losses = facts.get("losses") or []
    if len(losses) >= 2:
        points = tuple((float(x), float(y)) for x, y in _thinned(losses))
        blocks.append(Chart(points, t("job.loss", first=f"{losses[0][1]:.2f}", now=f"{losses[-1][1]:.2f}")))
    speed = facts.get("tokens_per_second")
    if speed:
        blocks.append(Paragraph(t("job.speed", n=round(speed)), Tone.MUTED))
    return blocks


def _thinned(losses: list[Any]) -> list[Any]:
    if len(losses) <= _POINTS:
        return losses
    stride = (len(losses) - 1) / (_POINTS - 1)
    return [losses[round(index * stride)] for index in range(_POINTS)]


def _recipe(t: Translator, job: Job) -> str:
    """What the same training would be made of again."""
    # A model that came as a file may be of a Tuneteller that knows more of them.
    named = {name: t(f"parameter.{name}") if t.has(f"parameter.{name}") else name for name in job.hyperparameters}
    values = ", ".join(f"{named[name]} {value:g}" for name, value in job.hyperparameters.items())
    if not job.data_digest:
        return t("job.recipe.old", seed=str(job.seed), values=values)
    return t("job.recipe", seed=str(job.seed), data=job.data_digest[:12], values=values)


def silence(job: Job, at: datetime) -> float | None:
    """For how many seconds a job that is open and was begun gave no sign of life, if that is long."""
    heard = (job.progress or {}).get("heard")
    if JobState(job.state).ended or job.handle is None or heard is None:
        return None
    age = at.timestamp() - float(heard)
    return age if age > _SILENT_AFTER else None


def _buttons(
    t: Translator, keypad: Keypad, job: Job, state: JobState, checkpoint: int | None
) -> tuple[tuple[Button, ...], ...]:
    row = []
    if checkpoint is not None and state.resumable:
        row.append(keypad.press(t("button.resume"), "job.resume", job=job.id, run=job.run))
    if not state.ended and not job.cancel_requested:
        row.append(keypad.press(t("button.cancel"), "job.cancel", style=ButtonStyle.DANGER, job=job.id))
    if job.handle is not None:
        row.append(keypad.press(t("button.log"), "job.log", job=job.id))
    return (tuple(row),) if row else ()


def _ended_facts(t: Translator, job: Job, cost: Cost | None) -> list[tuple[str, str]]:
    facts = job.progress or {}
    rows: list[tuple[str, str]] = []
    if job.started_at is not None and job.ended_at is not None:
        rows.append((t("fact.took"), t.duration((job.ended_at - job.started_at).total_seconds())))
    if facts.get("step") is not None and facts.get("steps"):
        rows.append((t("fact.steps"), f"{t.number(facts['step'])} / {t.number(facts['steps'])}"))
    if facts.get("trained_tokens"):
        planned = job.plan.get("tokens")
        expected = planned * job.hyperparameters["epochs"] if planned else None
        value = t.number(facts["trained_tokens"])
        rows.append(
            (
                t("fact.trained_tokens"),
                t("fact.against", value=value, expected=t.number(expected)) if expected else value,
            )
        )
    losses = facts.get("losses") or []
    if losses:
        rows.append((t("fact.loss"), f"{losses[0][1]:.2f} → {losses[-1][1]:.2f}"))
    held = facts.get("validation_loss")
    if held:
        rows.append((t("fact.held_out_loss"), f"{held[0]:.2f} → {held[1]:.2f}"))
    if cost is not None:
        rows.append((t("fact.cost"), cost_line(t, job, cost)))
    return rows


def failure_sentence(t: Translator, job: Job) -> str:
    """Why a job failed and what to do, in plain words."""
    failure = job.failure or {}
    code, fields = failure.get("code", "unknown"), failure.get("fields", {})
    for key in (f"failure.{code}", f"error.{code}"):
        if t.has(key):
            return t(key, **fields)
    return t("failure.unknown")


def done(
    t: Translator,
    keypad: Keypad,
    job: Job,
    model: TunedModel | None,
    person: str,
    live: bool,
    checkpoint: int | None = None,
    cost: Cost | None = None,
) -> Card:
    """The notice: a new message that tells how a job ended. ``checkpoint``: the step that it can go on after."""
    state = JobState(job.state)
    facts = tuple(_ended_facts(t, job, cost))
    if state is JobState.SUCCEEDED and model is not None:
        blocks: list[Block] = [Fields(facts), Paragraph(t("card.done.model")), Code(model.external_id)]
        held = (job.progress or {}).get("validation_loss")
        if held:
            key = "card.done.better" if held[1] < held[0] else "card.done.not_better"
            blocks.insert(0, Paragraph(t(key, before=f"{held[0]:.2f}", after=f"{held[1]:.2f}")))
        if live:
            blocks.append(Paragraph(t("card.done.live", command=f"/use_v{model.version}"), Tone.MUTED))
        buttons = [
            keypad.press(t("button.use"), "model.use", style=ButtonStyle.PRIMARY, version=model.version),
            keypad.copy(t("button.copy_model"), model.external_id),
            keypad.press(t("button.log"), "job.log", job=job.id),
        ]
        title = t("card.done", person=person, name=model.name, version=f"v{model.version}")
        return Card(title, tuple(blocks), (tuple(buttons),), tone=Tone.GOOD)
    resume = []
    if checkpoint is not None:
        resume.append(keypad.press(t("button.resume"), "job.resume", job=job.id, run=job.run))
    if state is JobState.CANCELLED:
        blocks = [Fields(facts)] if facts else []
        blocks.append(Paragraph(t("card.cancelled.next", command=f"/rerun_{job.id}")))
        rows = (tuple(resume),) if resume else ()
        return Card(t("card.cancelled", person=person, n=job.id, name=job.name), tuple(blocks), rows, rings=True)
    # A training that failed may have cost money all the same.
    paid = () if cost is None or cost.by is By.FREE else (Fields(((t("fact.cost"), cost_line(t, job, cost)),)),)
    again = keypad.press(t("button.again"), "job.rerun", job=job.id)
    log = keypad.press(t("button.log"), "job.log", job=job.id)
    return Card(
        t("card.failed", person=person, n=job.id, name=job.name),
        (Paragraph(failure_sentence(t, job)), *paid),
        ((*resume, again, log),),
        tone=Tone.ERROR,
    )
