"""What came of an evaluation: the picture with its figures as text, the blind pairs, and their result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.chat.content import (
    Attachment,
    AttachmentKind,
    Block,
    Button,
    ButtonStyle,
    Card,
    Fields,
    Items,
    Paragraph,
    Tone,
)
from bot.chat.keypad import Keypad
from bot.locales import Translator, translator
from bot.services.comparing import Blind, Result
from bot.services.exports import IMPORTED
from bot.services.proof import Shown
from finetune.evaluation.gates import FAILED, PASSED, Gate
from finetune.evaluation.statistics import WinRate
from finetune.evaluation.verdict import Verdict

_SIGNS = {PASSED: "✓", FAILED: "✗"}
_GATES = ("learned", "ends", "language", "repetition", "identity", "copied", "fits", "general")
_PICTURE = (
    *("losses", "wins", "style", "gates", "example", "nothing", "too_few", "passed", "failed", "no_curve", "no_votes"),
    *("training_loss", "steps", "best", "held_base", "held_tuned", "not_enough", "no_style", "no_example", "rows"),
    *("judge_base", "judge_prompted", "people_base", "people_prompted"),
    *("base", "prompted", "tuned", "person", "question"),
)
# Of the words with figures the picture fills in those that it has.
_FIGURES = {
    "best": ("step", "loss"),
    "held_base": ("loss",),
    "held_tuned": ("loss",),
    "not_enough": ("n",),
    "rows": ("rows", "held", "questions"),
}


def picture_words(language: str) -> Mapping[str, str]:
    """What a picture says in a language."""
    t = translator(language)
    words = {key: t(f"picture.{key}", **{name: f"{{{name}}}" for name in _FIGURES.get(key, ())}) for key in _PICTURE}
    return {**words, **{f"gate_{name}": t(f"gate.{name}") for name in _GATES}}


def report(
    t: Translator,
    keypad: Keypad,
    shown: Shown,
    *,
    may_promote: bool,
    files: bool = True,
    lines: Sequence[Block] = (),
) -> Card:
    """A model's verdict, or how far it is, or why there is none. ``lines``: what else there is to say."""
    model, verdict = shown.model, shown.verdict
    name = f"{model.name} (v{model.version})"
    if verdict is None:
        card = _without(t, keypad, shown, name)
        return replace(card, blocks=(*card.blocks, *lines))
    if not verdict.questions:
        why = Paragraph(t("card.verdict.nothing.why"))
        return Card(t("card.verdict.nothing", name=name), (why, *lines), rings=False)
    blocks: list[Block] = [Fields(tuple(_figures(t, verdict, shown.people)))]
    blocks.append(Items(tuple(gate_line(t, gate) for gate in verdict.gates)))
    thin = [*verdict.thin, *_thin_votes(shown.people)]
    blocks += [Paragraph(t(f"thin.{key}"), Tone.WARNING) for key in thin]
    if verdict.provenance.template == "differs":
        blocks.append(Paragraph(t("card.verdict.template_differs"), Tone.WARNING))
    key = "card.verdict.passed" if verdict.passed else "card.verdict.failed"
    if not verdict.enough and not verdict.failed:
        key = "card.verdict.too_few"
    blocks += lines
    attachments = _files(t, shown, verdict) if files else ()
    return Card(
        t(key, name=name),
        tuple(blocks),
        _buttons(t, keypad, shown, verdict, may_promote=may_promote),
        attachments,
        Tone.GOOD if verdict.passed else Tone.WARNING,
    )


def _without(t: Translator, keypad: Keypad, shown: Shown, name: str) -> Card:
    found = shown.evaluation
    again = keypad.press(t("button.evaluate"), "proof.again", version=shown.model.version)
    if found is not None and found.state in ("queued", "asking", "measuring"):
        progress = found.progress or {}
        line = t("card.verdict.waits")
        if progress.get("total"):
            line = t("card.verdict.asking", done=progress.get("done", 0), total=progress["total"])
        return Card(t("card.verdict.under_way", name=name), (Paragraph(line, Tone.MUTED),), rings=False)
    if found is not None and found.state == "failed":
        failure = found.failure or {}
        key = f"error.{failure.get('code', '')}"
        why = t(key, **failure.get("fields", {})) if t.has(key) else t("error.proof_broken")
        return Card(t("card.verdict.broken", name=name), (Paragraph(why),), ((again,),), tone=Tone.ERROR)
    if shown.job.preset == IMPORTED:
        why = t("error.evaluated_elsewhere", version=shown.model.version)
        return Card(t("card.verdict.none", name=name), (Paragraph(why),), rings=False)
    return Card(t("card.verdict.none", name=name), (), ((again,),), rings=False)


def _figures(t: Translator, verdict: Verdict, people: Mapping[str, WinRate]) -> list[tuple[str, str]]:
    rows = [(t("fact.questions"), t.number(verdict.questions))]
    if verdict.losses is not None:
        rows.append((t("fact.held_out_loss"), f"{verdict.losses.base:.2f} → {verdict.losses.tuned:.2f}"))
        if verdict.losses.base_bits is not None and verdict.losses.tuned_bits is not None:
            bits = f"{verdict.losses.base_bits:.2f} → {verdict.losses.tuned_bits:.2f}"
            rows.append((t("fact.bits_per_byte"), bits))
    likeness = [
        f"{t(f'picture.{who}')} {t.percent(style.likeness)}"
        for who in ("base", "prompted", "tuned", "person")
        if (style := verdict.styles.get(who)) is not None and style.likeness is not None
    ]
    if likeness:
        rows.append((t("fact.style"), " · ".join(likeness)))
    tuned = verdict.styles.get("tuned")
    if tuned is not None:
        rows.append((t("fact.length_ratio"), t.percent(tuned.length_ratio)))
    if "tuned" in verdict.memorised:
        rows.append((t("fact.memorised"), t.percent(verdict.memorised["tuned"])))
    rows += [(t(f"picture.judge_{other}"), rate_line(t, rate)) for other, rate in verdict.judges.items()]
    rows += [(t(f"picture.people_{other}"), rate_line(t, rate)) for other, rate in people.items()]
    rows.append((t("fact.took"), t.duration(verdict.seconds)))
    return rows


def rate_line(t: Translator, rate: WinRate) -> str:
    """A win rate with its interval, or that there is not enough evidence."""
    counts = t("rate.counts", wins=rate.wins, losses=rate.losses, equal=rate.equal)
    if rate.unstable:
        counts += " · " + t("rate.unstable", n=rate.unstable)
    if not rate.enough or rate.rate is None or rate.low is None or rate.high is None:
        return t("rate.not_enough", counts=counts)
    return t("rate.line", rate=t.percent(rate.rate), low=t.percent(rate.low), high=t.percent(rate.high), counts=counts)


def gate_line(t: Translator, gate: Gate) -> str:
    """A gate with its figures, on one line."""
    facts = dict(gate.facts)
    detail = ""
    if gate.name in ("ends", "language"):
        detail = f"{facts.get('good', 0):g} / {facts.get('total', 0):g}"
    elif gate.name in ("repetition", "identity"):
        detail = f"{facts.get('bad', 0):g} / {facts.get('total', 0):g}"
    elif gate.name == "copied" and facts:
        detail = f"{facts['copied']:g} / {facts['total']:g}"
    elif gate.name == "general" and facts:
        detail = f"{facts['base']:g} → {facts['tuned']:g} / {facts['total']:g}"
    line = f"{_SIGNS.get(gate.state, '?')} {t(f'gate.{gate.name}')}"
    if detail:
        line += f" · {detail}"
    return line if gate.state in _SIGNS else f"{line} · {t('gate.unknown')}"


def _thin_votes(people: Mapping[str, WinRate]) -> list[str]:
    return ["one_person"] if any(rate.voters == 1 and rate.decided for rate in people.values()) else []


def _files(t: Translator, shown: Shown, verdict: Verdict) -> tuple[Attachment, ...]:
    import json

    name = f"v{shown.model.version}"
    found = []
    if shown.picture is not None:
        alt = "; ".join(f"{label} {value}" for label, value in _figures(t, verdict, shown.people))
        found.append(Attachment(f"{name}-verdict.png", "image/png", shown.picture, AttachmentKind.PICTURE, alt))
    data = json.dumps(verdict.as_json(), ensure_ascii=False, indent=1).encode()
    found.append(Attachment(f"{name}-verdict.json", "application/json", data))
    found.append(Attachment(f"{name}-verdict.csv", "text/csv", verdict.as_csv().encode()))
    return tuple(found)


def _buttons(
    t: Translator, keypad: Keypad, shown: Shown, verdict: Verdict, *, may_promote: bool
) -> tuple[tuple[Button, ...], ...]:
    version = shown.model.version
    row = [keypad.press(t("button.compare"), "proof.compare", version=version)]
    if may_promote and verdict.passed:
        row.insert(0, keypad.press(t("button.promote"), "release.promote", style=ButtonStyle.PRIMARY, version=version))
    rows = [tuple(row)]
    if shown.cost is not None:
        label = t("button.judge", calls=shown.cost.calls, tokens=t.number(shown.cost.tokens))
        if shown.cost.money is not None:
            label += f" ≤ {shown.cost.money:.2f} {shown.cost.currency}"
        else:
            label += " · " + t("price.unknown")
        rows.append((keypad.press(label, "proof.judge", version=version),))
    return tuple(rows)


def pair(t: Translator, keypad: Keypad, blind: Blind, person_id: int) -> Card:
    """One pair: the question, two answers without names, and the choice."""

    def choose(label: str, choice: str) -> Button:
        return keypad.press(
            label,
            "proof.vote",
            person_id=person_id,
            version=blind.model.version,
            evaluation=blind.evaluation_id,
            other=blind.other,
            key=blind.key,
            choice=choice,
        )

    reveal = keypad.press(t("button.reveal"), "proof.reveal", person_id=person_id, version=blind.model.version)
    return Card(
        t("card.pair", name=f"v{blind.model.version}", number=blind.number, total=blind.total),
        (
            Paragraph(blind.question, Tone.MUTED),
            Paragraph(f"A\n{_shown(t, blind.a)}"),
            Paragraph(f"B\n{_shown(t, blind.b)}"),
        ),
        ((choose("A", "a"), choose("B", "b"), choose(t("button.equal"), "equal")), (reveal,)),
        rings=False,
    )


def _shown(t: Translator, answer: str) -> str:
    return answer.strip()[:1200] or t("card.pair.empty")


def result(t: Translator, found: Result) -> Card:
    """What the votes say, people and judge apart."""
    rows = [
        (t("fact.my_votes"), t("rate.counts", wins=found.mine.wins, losses=found.mine.losses, equal=found.mine.equal)),
        (t("fact.people_votes", n=found.people.voters), rate_line(t, found.people)),
        (t("fact.judge"), rate_line(t, found.judge) if found.judge else t("fact.judge.none")),
    ]
    blocks: tuple[Block, ...] = (Fields(tuple(rows)),)
    if found.people.voters == 1:
        blocks = (*blocks, Paragraph(t("thin.one_person"), Tone.WARNING))
    title = t("card.result", name=f"v{found.model.version}", other=t(f"picture.{found.other}"))
    return Card(title, blocks, rings=False)


def canary(t: Translator, name: str, payload: Mapping[str, Any]) -> Card:
    """A canary was taken back, and why."""
    line = t(f"card.canary.{payload['reason']}", bad=payload["bad"], answers=payload["answers"])
    return Card(t("card.canary.returned", name=name), (Paragraph(line),), tone=Tone.WARNING)
