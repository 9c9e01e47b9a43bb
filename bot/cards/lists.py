"""Lists: datasets, jobs, models, people. Each item is a command to tap."""

from collections.abc import Sequence
from datetime import datetime

from bot.cards.job import silence
from bot.chat.content import Card, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.access import Member
from bot.services.images import HeldImages
from bot.services.library import Held
from bot.services.releases import Listed
from finetune.jobs import JobState
from storage.tables import Job


def datasets(t: Translator, found: Sequence[Held], images: Sequence[HeldImages] = ()) -> Card:
    """All datasets, the newest first, whatever they are of."""
    if not found and not images:
        return Card(t("card.datasets"), (Paragraph(t("card.datasets.none")),), rings=False)
    items = [("card.datasets.item", held.dataset, held.report.rows) for held in found]
    items += [("image.list.item", held.dataset, held.report.images_total) for held in images]
    items.sort(key=lambda item: item[1].id, reverse=True)
    lines = [t(key, command=f"/ds_{dataset.id}", name=dataset.name, n=count) for key, dataset, count in items]
    return Card(t("card.datasets"), (Items(tuple(lines)),), rings=False)


def jobs(t: Translator, found: Sequence[Job], at: datetime) -> Card:
    """All jobs, newest first."""
    if not found:
        return Card(t("card.jobs"), (Paragraph(t("card.jobs.none")),), rings=False)
    items = []
    for job in found:
        state = t(f"state.{job.state}")
        facts = job.progress or {}
        if JobState(job.state) is JobState.RUNNING and facts.get("steps"):
            state += f" {facts.get('step') or 0}/{facts['steps']}"
        quiet = silence(job, at)
        if quiet is not None:
            state += " · " + t("job.silent.short", time=t.duration(quiet))
        items.append(
            t("card.jobs.item", command=f"/job_{job.id}", name=job.name, state=state, when=t.when(job.created_at))
        )
    return Card(t("card.jobs"), (Items(tuple(items)),), rings=False)


def missed(t: Translator, found: Sequence[Job], *, approvals: bool = False) -> Card:
    """Jobs that ended, and runs that wait for approval, while it was not known whether anybody could be told."""
    lines = [
        t("card.missed.item", command=f"/job_{job.id}", name=job.name, state=t(f"state.{job.state}")) for job in found
    ]
    if approvals:
        lines.append(t("card.missed.approvals", command="/approve"))
    return Card(t("card.missed"), (Items(tuple(lines)),), rings=False)


def models(t: Translator, keypad: Keypad, found: Sequence[Listed], *, may_switch: bool) -> Card:
    """All tuned models, and which is live."""
    if not found:
        return Card(t("card.models"), (Paragraph(t("card.models.none")),), rings=False)
    items = []
    for listed in found:
        model = listed.model
        line = t(
            "card.models.item",
            command=f"/use_v{model.version}",
            name=model.name,
            base=model.base.rsplit("/", 1)[-1],
            dataset=f"/ds_{listed.dataset_id} #{listed.dataset_version}",
        )
        if model.validation_before is not None and model.validation_after is not None:
            line += " · " + t(
                "card.models.loss", before=f"{model.validation_before:.2f}", after=f"{model.validation_after:.2f}"
            )
        if listed.verdict is not None:
            passed = "card.models.passed" if listed.verdict.passed else "card.models.not_passed"
            line += " · " + t(passed, command=f"/report_v{model.version}")
        if listed.votes:
            wins, losses, equal = (listed.votes.get(winner, 0) for winner in ("tuned", "other", "equal"))
            line += " · " + t("card.models.votes", votes=t("rate.counts", wins=wins, losses=losses, equal=equal))
        if listed.job.plan.get("free"):
            line += " · " + t("fact.price.free")
        if listed.users:
            line += " · " + t("card.models.users", n=listed.users)
        if listed.live:
            line += " · " + t("card.models.live")
        if listed.aliases:
            line += " · " + " ".join(f"@{alias}" for alias in listed.aliases)
        items.append(line)
    if may_switch and any(listed.live for listed in found):
        back = keypad.press(t("button.use_base"), "model.use", version=0)
        return Card(t("card.models"), (Items(tuple(items)),), ((back,),), rings=False)
    return Card(t("card.models"), (Items(tuple(items)),), rings=False)


def people(t: Translator, found: Sequence[Member]) -> Card:
    """Who is here."""
    items = tuple(t("card.people.item", id=str(m.id), name=m.name, role=t(f"role.{m.role.word}")) for m in found)
    return Card(t("card.people"), (Items(items), Paragraph(t("card.people.how"), Tone.MUTED)), rings=False)
