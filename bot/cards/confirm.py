"""What a run would take, before it is started."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.cards.operating import plan_remarks, title
from bot.chat.content import Block, Button, ButtonStyle, Card, Code, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.images import Parameters
from finetune.parameters import Hyperparameters, Origin, presets
from finetune.providers.provider import Base, Plan

# Fewer steps than this teach little, whatever the preset is called.
FEW_STEPS = 100


@dataclass(frozen=True, slots=True)
class Proposal:
    """The facts of a confirm card."""

    dataset_id: int
    dataset_name: str
    training_rows: int
    validation_rows: int
    provider: str
    base: Base
    preset: str
    values: Hyperparameters
    origins: Mapping[str, Origin]
    plan: Plan
    line: str
    name: str
    seed: int
    before: int  # jobs in the queue
    repeated: tuple[str, ...] = ()
    images: Parameters | None = None


def confirm(t: Translator, keypad: Keypad, proposal: Proposal, frozen: Mapping[str, object], nonce: str) -> Card:
    """The confirm card. Start is a one-time button for exactly this run."""
    plan = proposal.plan
    blocks: list[Block] = [Fields(tuple(_facts(t, proposal))), Paragraph(t("card.confirm.values"), Tone.MUTED)]
    blocks.append(Fields(tuple(_values(t, proposal.values, proposal.origins))))
    remarks = _remarks(t, proposal)
    if remarks:
        blocks.append(Items(tuple(remarks)))
    blocks.append(Code(proposal.line))
    start = keypad.press(
        t("button.start"), "train.start", style=ButtonStyle.PRIMARY, once=True, run=dict(frozen), nonce=nonce
    )
    others: list[Button] = [
        keypad.press(t(f"preset.{name}"), "train.preset", run=dict(frozen), preset=name, nonce=nonce)
        for name in presets()
        if name != proposal.preset
    ]
    return Card(
        t("card.confirm", dataset=proposal.dataset_name, preset=t(f"preset.{proposal.preset}")),
        tuple(blocks),
        (
            (start, keypad.press(t("button.not_now"), "train.dismiss", nonce=nonce)),
            tuple(others),
            (keypad.copy(t("button.copy_line"), proposal.line),),
        ),
        tone=Tone.WARNING if plan.cut_rows else Tone.NORMAL,
        rings=False,
    )


def _facts(t: Translator, proposal: Proposal) -> list[tuple[str, str]]:
    plan = proposal.plan
    tokens = t("fact.tokens.unknown")
    if plan.tokens is not None:
        key = "fact.tokens.epoch" if plan.tokens_exact else "fact.tokens.epoch_about"
        tokens = t(key, n=plan.tokens, total=plan.tokens * proposal.values.epochs)
    where = title(t, proposal.provider)
    rows = [
        (t("fact.base"), f"{proposal.base.name} ({where})"),
        (
            t("fact.dataset"),
            _dataset(t, proposal),
        ),
        (t("fact.steps"), t.number(plan.steps)),
        (t("fact.tokens"), tokens),
        (t("fact.time"), time_range(t, plan.seconds)),
        (t("fact.price"), price(t, plan)),
    ]  # fmt: skip
    if proposal.images is not None:
        rows.append((t("parameter.trigger"), proposal.images.trigger or t("parameter.trigger.none")))
        rows.append((t("parameter.repeats"), t.number(proposal.images.repeats)))
    if proposal.before:
        rows.append((t("fact.queue"), t("fact.queue.value", n=proposal.before)))
    return rows


def _dataset(t: Translator, proposal: Proposal) -> str:
    where = f"/ds_{proposal.dataset_id}"
    if proposal.images is not None:
        return t("fact.dataset.images", id=where, n=proposal.training_rows)
    return t("fact.dataset.value", id=where, n=proposal.training_rows, held=proposal.validation_rows)


def _values(t: Translator, values: Hyperparameters, origins: Mapping[str, Origin]) -> list[tuple[str, str]]:
    rows = []
    for name, value in values.as_dict().items():
        origin = "" if origins[name] is Origin.PRESET else f" · {t(f'origin.{origins[name]}')}"
        rows.append((t(f"parameter.{name}"), f"{value:g}{origin}"))
    return rows


def _remarks(t: Translator, proposal: Proposal) -> list[str]:
    plan = proposal.plan
    remarks = []
    usual, values = presets()[proposal.preset].as_dict(), proposal.values.as_dict()
    changed = [
        f"{t(f'parameter.{name}')} {usual[name]:g} → {values[name]:g}"
        for name, origin in proposal.origins.items()
        if origin is Origin.BASE
    ]
    if changed:
        remarks.append(t("remark.base_values", base=proposal.base.name, changed=", ".join(changed)))
    if plan.steps < FEW_STEPS:
        remarks.append(t("remark.few_steps", n=plan.steps, enough=FEW_STEPS))
    if plan.cut_rows:
        remarks.append(t("remark.cut_rows", n=plan.cut_rows, limit=proposal.values.max_tokens))
    if proposal.validation_rows == 0 and proposal.images is None:
        remarks.append(t("remark.no_held_out"))
    remarks.extend(plan_remarks(t, plan, proposal.provider))
    remarks.extend(t("remark.repeated", flag=flag) for flag in proposal.repeated)
    remarks.extend(t(f"base.{note}") for note in proposal.base.notes)
    return remarks


def time_range(t: Translator, seconds: tuple[float, float] | None) -> str:
    """A range of time, or that it is not known."""
    if seconds is None:
        return t("fact.time.unknown")
    low, high = t.duration(seconds[0]), t.duration(seconds[1])
    return t("fact.time.about", value=low) if low == high else t("fact.time.range", low=low, high=high)


def price(t: Translator, plan: Plan) -> str:
    """What it costs, with source and date, or that the provider tells no price."""
    if plan.free:
        return t("fact.price.free")
    if plan.price is None:
        return t("fact.price.unknown")
    figure = plan.price
    return t(
        "fact.price.range",
        low=t.number(figure.low),
        high=t.number(figure.high),
        currency=figure.currency,
        source=figure.source,
        dated=figure.dated,
    )


def presets_table(
    t: Translator,
    keypad: Keypad,
    dataset_id: int | None,
    steps: Mapping[str, int],
    values: Mapping[str, Hyperparameters],
) -> Card:
    """The presets side by side, with their steps on the newest dataset."""
    blocks: list[Block] = []
    for name, preset in values.items():
        blocks.append(Paragraph(t(f"preset.{name}.what")))
        rows = [(t(f"parameter.{key}"), f"{value:g}") for key, value in preset.as_dict().items()]
        if name in steps:
            rows.append((t("fact.steps"), t.number(steps[name])))
        blocks.append(Fields(tuple(rows)))
    if dataset_id is None:
        return Card(t("card.presets"), tuple(blocks), rings=False)
    buttons = tuple(keypad.press(t(f"preset.{name}"), "train.open", dataset=dataset_id, preset=name) for name in values)
    return Card(t("card.presets"), tuple(blocks), (buttons,), rings=False)
