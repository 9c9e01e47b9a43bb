"""What operators and leads see: hand-overs, deployments, providers, announced ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.chat.content import Attachment, Block, Button, ButtonStyle, Card, Code, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.providers.abilities import Capabilities, Check, HandOver
from finetune.providers.provider import Plan, Sunset, Terms
from storage.tables import Job

# More than this is no attachment any more: chats refuse it.
LARGEST_FILE = 45_000_000


def plan_remarks(t: Translator, plan: Plan, provider: str) -> list[str]:
    """What a confirm card has to say beyond its values."""
    remarks = []
    if plan.operated:
        remarks.append(t("provider.remark.operated", provider=title(t, provider)))
    if plan.unsettable:
        named = ", ".join(t(f"parameter.{name}") for name in plan.unsettable)
        remarks.append(t("provider.remark.unsettable", provider=title(t, provider), values=named))
    if plan.terms is not None:
        remarks.append(t("provider.remark.terms", terms=terms(t, plan.terms)))
    if plan.learned_from:
        remarks.append(t("provider.remark.learned", n=plan.learned_from))
    remarks.extend(sunset(t, found) for found in plan.sunsets)
    return remarks


def title(t: Translator, provider: str) -> str:
    """A provider's name; one that was installed beside us has none in our words."""
    key = f"provider.{provider}"
    return t(key) if t.has(key) else provider


def sunset(t: Translator, found: Sunset) -> str:
    """An announced end, with where it was read."""
    return t(f"sunset.{found.effect}", date=found.date, source=found.source)


def terms(t: Translator, found: Terms) -> str:
    """What a deployment takes while it stands."""
    return t(f"terms.{found.billing}", plan=found.plan, source=found.source, dated=found.dated)


def hand_over(t: Translator, keypad: Keypad, job: Job, found: HandOver, *, again: bool = False) -> Card:
    """Everything for the console, in the order of its form, with the files."""
    rows = [
        (t("handover.task"), found.task_name),
        (t("fact.base"), found.base),
        *found.values,
    ]
    files = [_attachment(name, path) for name, path in found.files if path.stat().st_size <= LARGEST_FILE]
    large = [str(path) for _, path in found.files if path.stat().st_size > LARGEST_FILE]
    trains = bool(found.files)
    blocks: list[Block] = [
        Paragraph(t("handover.how" if trains else "handover.deploy", provider=title(t, job.provider))),
        Fields(tuple(rows)),
        Code(found.task_name),
    ]
    if found.uploaded:
        blocks.append(Paragraph(t("handover.uploaded", ids=", ".join(found.uploaded)), Tone.MUTED))
    blocks.extend(Paragraph(t(f"handover.note.{note}"), Tone.WARNING) for note in found.notes)
    if large:
        blocks.append(Paragraph(t("handover.large", files=", ".join(large)), Tone.WARNING))
    blocks.append(Paragraph(f"{t('handover.link')} {found.link}"))
    blocks.append(Paragraph(t("handover.then", bind=f"/bind {job.id} …"), Tone.MUTED))
    buttons: list[Button] = []
    if trains:
        buttons.append(keypad.press(t("button.started"), "operate.started", style=ButtonStyle.PRIMARY, job=job.id))
    buttons.append(keypad.copy(t("button.copy_task"), found.task_name))
    return Card(
        t("card.handover", n=job.id, name=job.name), tuple(blocks), (tuple(buttons),), tuple(files), rings=not again
    )


def _attachment(name: str, path: Path) -> Attachment:
    kind = "application/zip" if name.endswith(".zip") else "application/jsonl"
    return Attachment(name, kind, path.read_bytes())


def deploy(t: Translator, keypad: Keypad, job: Job, found: Terms | None, person: str) -> Card:
    """Trained; it answers only once it is deployed, which somebody has to agree to."""
    blocks: list[Block] = [Paragraph(t("deploy.how", provider=title(t, job.provider)))]
    if found is not None:
        blocks.append(Paragraph(terms(t, found)))
    agree = keypad.press(
        t("button.deploy"), "operate.deploy", style=ButtonStyle.PRIMARY, job=job.id, terms=found.plan if found else ""
    )
    give_up = keypad.press(t("button.cancel"), "job.cancel", style=ButtonStyle.DANGER, job=job.id)
    return Card(t("card.deploy", person=person, n=job.id, name=job.name), tuple(blocks), ((agree, give_up),))


def remind(t: Translator, keypad: Keypad, job: Job, person: str) -> Card:
    """It waits for a day."""
    show = keypad.press(t("button.handover"), "operate.handover", job=job.id)
    blocks = (Paragraph(t("remind.how", job=f"/job_{job.id}", cancel=f"/cancel_{job.id}")),)
    return Card(t("card.remind", person=person, n=job.id, name=job.name), blocks, ((show,),))


def checked(t: Translator, job: Job, found: Check) -> Card:
    """What came of trying a bound id."""
    blocks: list[Block] = [Paragraph(t(f"check.{found.code}"), Tone.GOOD if found.ready else Tone.WARNING)]
    if found.detail:
        blocks.append(Code(found.detail))
    if not found.ready:
        blocks.append(Paragraph(t("bind.again", command=f"/job_{job.id}"), Tone.MUTED))
    return Card(t("card.bound", n=job.id, name=job.name), tuple(blocks), rings=False)


def sunset_notice(
    t: Translator, keypad: Keypad, job: Job, payload: Mapping[str, object], person: str, others: Sequence[str]
) -> Card:
    """The live model will be shut by its provider."""
    text = t(
        "sunset.live", version=f"v{payload['model']}", provider=title(t, job.provider), date=str(payload["date"]),
        source=str(payload["source"]),
    )  # fmt: skip
    buttons = tuple(
        keypad.press(t("button.elsewhere", provider=title(t, name)), "operate.elsewhere", job=job.id, provider=name)
        for name in others[:4]
    )
    return Card(
        t("card.sunset", person=person), (Paragraph(text), Paragraph(t("sunset.kept"), Tone.MUTED)),
        (buttons,) if buttons else (), tone=Tone.WARNING,
    )  # fmt: skip


def providers(t: Translator, found: Sequence[tuple[str, Capabilities, Check | None, Sequence[str]]]) -> Card:
    """Who trains here, what each can do, whether it answers, and what it has announced."""
    blocks: list[Block] = []
    for name, able, check, bases in found:
        words = [t(f"capability.{word}") for word in _words(able)]
        if able.unsettable:
            named = ", ".join(t(f"parameter.{value}") for value in able.unsettable)
            words.append(t("capability.unsettable", values=named))
        state = t("providers.here") if check is None else t("check.reached" if check.ready else "check.not_reached")
        reason = f" ({check.code} {check.detail})" if check is not None and not check.ready else ""
        listed = ", ".join(base.rsplit("/", 1)[-1] for base in bases) or t("providers.any_base")
        blocks.append(Paragraph(f"{title(t, name)} (--provider {name}): {state}{reason}"))
        blocks.append(Items((t("providers.bases", bases=listed), *words)))
    return Card(t("card.providers"), tuple(blocks), rings=False)


def _words(able: Capabilities) -> list[str]:
    flags = {
        "operated": able.operated,
        "cancels": able.cancels,
        "resumes": able.resumes,
        "checkpoints": able.checkpoints,
        "events": able.events,
        "deploys": able.deploys,
        "bills": able.bills,
        "webhook": able.webhook,
        "draws": able.draws,
    }
    return [word for word, has in flags.items() if has]
