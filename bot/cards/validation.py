"""What a file was understood as, what is wrong with it, and what one tap can do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.cards.examples import as_lines
from bot.chat.content import Block, Button, ButtonStyle, Card, Code, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.advice import Advice
from finetune.datasets import Finding, Measures, Report, Severity
from finetune.datasets.mending import LEAVE_OUT, Changes, mends_of
from finetune.datasets.mending.kinds import of_all

SHOWN = 10
_BUTTONS_IN_ROW = 2
_SPARK = "▁▂▃▄▅▆▇█"
_GONE = 5  # the oldest versions of many are not offered any more


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card shows of a file.

    ``file`` is what a button needs to mend a file that is no dataset (``digest``, ``name``, ``reading``).
    ``dataset_id`` is None for such a file. ``steps``: optimiser steps by preset. ``pending``: measures are being taken.
    """

    name: str
    report: Report
    dataset_id: int | None = None
    version: int = 1
    versions: tuple[int, ...] = (1,)
    made_from: int | None = None
    trainable: bool = False
    known: bool = False
    measures: Measures | None = None
    changes: Changes | None = None
    advice: tuple[Advice, ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)
    shared: tuple[tuple[str, str], ...] = ()
    file: Mapping[str, Any] = field(default_factory=dict)
    pending: bool = False
    whole: bool = False  # with what `/ds_N` shows and an upload's card does not


def reading(t: Translator, name: str) -> Card:
    """While a file is read."""
    return Card(t("card.reading", name=name), (Paragraph(t("card.reading.what"), Tone.MUTED),), rings=False)


def ambiguous(
    t: Translator, keypad: Keypad, name: str, readings: Sequence[Mapping[str, Any]], file: Mapping[str, Any]
) -> Card:
    """A file that can be read in several ways: two rows of each, and a button for each."""
    blocks: list[Block] = [Paragraph(t("card.ambiguous.what"))]
    buttons = []
    for number, way in enumerate(readings, 1):
        key = f"reading.{way['name']}"
        blocks.append(Paragraph(f"{number}. {t(key)}"))
        blocks.append(Code("\n\n".join("\n".join(as_lines(t, sample)) for sample in way["samples"])))
        label = f"{number}. {t(key + '.short')}"
        buttons.append(keypad.press(label, "dataset.read", file={**file, "reading": way["name"]}))
    return Card(
        t("card.ambiguous", name=name), tuple(blocks), tuple((button,) for button in buttons), tone=Tone.WARNING,
        rings=False,
    )  # fmt: skip


def judged(t: Translator, keypad: Keypad, facts: Facts) -> Card:
    """The validation card."""
    report = facts.report
    errors = sum(1 for finding in report.findings if finding.severity is Severity.ERROR)
    blocks: list[Block] = []
    if facts.dataset_id is None:
        title = t("card.judged.bad", name=facts.name)
        blocks.append(Paragraph(t("card.judged.bad.next")))
    else:
        key = "card.judged.good" if facts.trainable else "card.judged.held"
        title = t(key, name=facts.name, id=f"/ds_{facts.dataset_id}")
        if facts.known:
            blocks.append(Paragraph(t("card.judged.known", version=facts.version), Tone.MUTED))
        if facts.changes is not None:
            blocks.append(Paragraph(changed(t, facts.version, facts.changes), Tone.GOOD))
    blocks.extend(Paragraph(t(f"dataset.note.{note}")) for note in report.notes)
    blocks.append(Fields(tuple(_facts(t, facts))))
    if report.findings:
        blocks.append(Paragraph(_total(t, report), Tone.ERROR if errors else Tone.WARNING))
        blocks.append(Items(tuple(finding_line(t, finding) for finding in report.findings[:SHOWN])))
        if report.findings_total > SHOWN:
            blocks.append(Paragraph(t("card.judged.more", n=report.findings_total - SHOWN), Tone.MUTED))
    if facts.trainable and facts.advice:
        blocks.append(Items(tuple(t(f"advice.{piece.code}", **piece.fields) for piece in facts.advice)))
    mending = _mending(t, keypad, facts)
    if mending:
        blocks.append(Paragraph(t("card.judged.mend"), Tone.MUTED))
    tone = Tone.GOOD if not report.findings else Tone.WARNING if facts.trainable else Tone.ERROR
    return Card(title, tuple(blocks), _buttons(t, keypad, facts, mending), tone=tone, rings=False)


def changed(t: Translator, version: int, changes: Changes) -> str:
    """What a mending did, in one line."""
    return t("card.mended", version=version, what=what_changed(t, changes), n=changes.rows_after)


def what_changed(t: Translator, changes: Changes) -> str:
    """Every mend with the rows that it touched."""
    done = [t(f"mended.{name}", n=count) for name, count in changes.counts.items()]
    gone = [t(f"left_out.{reason}", n=count) for reason, count in changes.left_out.items()]
    return t("list.separator").join([*done, *gone])


def _buttons(
    t: Translator, keypad: Keypad, facts: Facts, mending: list[tuple[Button, ...]]
) -> tuple[tuple[Button, ...], ...]:
    rows: list[tuple[Button, ...]] = []
    dataset = facts.dataset_id
    if dataset is not None and facts.trainable:
        first = [
            keypad.press(t("button.train"), "train.open", style=ButtonStyle.PRIMARY, dataset=dataset),
            keypad.press(t("button.preview"), "dataset.preview", dataset=dataset, row=0, turn=False),
        ]
        if facts.report.findings:
            first.append(keypad.press(t("button.report"), "dataset.report", dataset=dataset))
        rows.append(tuple(first))
    elif facts.report.findings_total > SHOWN and dataset is not None:
        rows.append((keypad.press(t("button.report"), "dataset.report", dataset=dataset),))
    rows += mending
    if dataset is None:
        return tuple(rows)
    if facts.made_from is not None:
        rows.append(
            (
                keypad.press(t("button.changes"), "dataset.changes", dataset=dataset, number=facts.version),
                keypad.press(t("button.undo"), "dataset.switch", dataset=dataset, number=facts.made_from),
            )
        )
    if facts.whole:
        rows += _more(t, keypad, facts, dataset)
    return tuple(rows)


def _more(t: Translator, keypad: Keypad, facts: Facts, dataset: int) -> list[tuple[Button, ...]]:
    others = [number for number in facts.versions if number != facts.version][-_GONE:]
    rows = []
    if others:
        rows.append(
            tuple(
                keypad.press(t("button.version", n=number), "dataset.switch", dataset=dataset, number=number)
                for number in others
            )
        )
    files = [keypad.press(t("button.original"), "dataset.original", dataset=dataset)]
    if facts.trainable:
        files.insert(0, keypad.press(t("button.download"), "dataset.download", dataset=dataset))
        files.append(keypad.press(t("button.lengths"), "dataset.lengths", dataset=dataset))
    rows.append(tuple(files))
    rows.append((keypad.press(t("button.delete"), "dataset.delete", dataset=dataset),))
    return rows


def _mending(t: Translator, keypad: Keypad, facts: Facts) -> list[tuple[Button, ...]]:
    mends = mends_of(facts.report)
    names = of_all(mends)

    def button(label: str, wanted: Sequence[str], style: ButtonStyle = ButtonStyle.NORMAL) -> Button:
        if facts.dataset_id is None:
            return keypad.press(label, "dataset.mend_file", style=style, file=dict(facts.file), names=list(wanted))
        return keypad.press(
            label, "dataset.mend", style=style, dataset=facts.dataset_id, version=facts.version, names=list(wanted)
        )

    single = [button(t(f"mend.{mend.name}", n=mend.findings), (mend.name,)) for mend in mends]
    measures = facts.measures
    if measures is not None:
        if measures.personal:
            single.append(button(t("mend.mask", n=sum(count.found for count in measures.personal.values())), ("mask",)))
        if measures.duplicates.near:
            single.append(button(t("mend.near_duplicates", n=measures.duplicates.near), ("near_duplicates",)))
        if measures.over and measures.over[-1].rows:
            single.append(button(t("mend.split_long", n=measures.over[-1].rows), ("split_long",)))
    rows = [tuple(single[begin : begin + _BUTTONS_IN_ROW]) for begin in range(0, len(single), _BUTTONS_IN_ROW)]
    leaves = any(mend.name == LEAVE_OUT for mend in mends)
    if len(names) > 1:
        rows.insert(
            0, (button(t("mend.all"), names, ButtonStyle.NORMAL if facts.trainable or leaves else ButtonStyle.PRIMARY),)
        )
    if names and leaves:
        rows.insert(0, (button(t("mend.all_and_leave_out"), (*names, LEAVE_OUT), ButtonStyle.PRIMARY),))
    return rows


def _facts(t: Translator, facts: Facts) -> list[tuple[str, str]]:
    report, measures = facts.report, facts.measures
    rows = [
        (t("fact.format"), t(f"format.{report.format}", container=report.container.upper(), encoding=report.encoding)),
        (t("fact.rows"), t("fact.rows.value", n=report.rows, turns=report.turns)),
    ]
    if facts.trainable:
        rows.append((t("fact.tokens"), t("fact.measuring") if facts.pending else tokens(t, measures)))
    if measures is not None:
        rows.append((t("fact.longest"), t("fact.longest.value", n=measures.longest_tokens)))
        rows += [
            (
                t("fact.over", limit=over.limit),
                t("fact.over.value", n=over.rows, tokens=t.number(over.tokens), most=t.number(over.most)),
            )
            for over in measures.over[-2:]
            if over.rows
        ]
        rows.append((t("fact.lengths"), _lengths(t, measures)))
    elif any(report.length_histogram):
        rows.append((t("fact.lengths"), _sparkline(report.length_histogram)))
    shares = [
        f"{t(f'language.{name}')} {t.percent(share)}" for name, share in report.languages.items() if share >= 0.005
    ]
    if shares:
        rows.append((t("fact.languages"), " · ".join(shares)))
    prompts = [text for text, _ in report.system_prompts if text]
    if prompts:
        rows.append((t("fact.system_prompt"), _short(prompts[0]) if len(prompts) == 1 else t("fact.varies")))
    rows += warning_facts(t, report, measures)
    if facts.steps and facts.trainable:
        steps = t("list.separator").join(f"{t(f'preset.{name}')} {t.number(n)}" for name, n in facts.steps.items())
        rows.append((t("fact.steps"), steps))
    if facts.shared:
        shares = [t(f"share.{right}", name=name or t("share.team")) for name, right in facts.shared]
        rows.append((t("fact.shared"), t("list.separator").join(shares)))
    return rows


def warning_facts(t: Translator, report: Report, measures: Measures | None) -> list[tuple[str, str]]:
    """What is said twice, and what is personal."""
    rows = []
    if measures is not None and (measures.duplicates.near or measures.duplicates.exact):
        found = measures.duplicates
        key = "fact.duplicates.sampled" if found.sampled else "fact.duplicates.value"
        share = t.percent(found.threshold)
        rows.append((t("fact.duplicates"), t(key, exact=t.number(found.exact), near=t.number(found.near), share=share)))
    elif report.exact_duplicates:
        rows.append((t("fact.duplicates"), t.number(report.exact_duplicates)))
    if measures is not None and measures.personal:
        kinds = [t(f"personal.{kind}", n=count.found) for kind, count in measures.personal.items()]
        rows.append((t("fact.personal"), t("list.separator").join(kinds)))
    return rows


def tokens(t: Translator, measures: Measures | None) -> str:
    """How many tokens, by which method, and how far off that may be."""
    if measures is None:
        return t("fact.tokens.unknown")
    if measures.tokens.exact:
        return t("fact.tokens.exact", n=measures.tokens.count, method=measures.tokens.method)
    low, high = t.number(measures.tokens_low), t.number(measures.tokens_high)
    return t("fact.tokens.between", n=measures.tokens.count, low=low, high=high)


def _lengths(t: Translator, measures: Measures) -> str:
    spark = _sparkline(measures.lengths.counts)
    quantiles = measures.lengths.quantiles
    return t("fact.lengths.value", spark=spark, half=t.number(quantiles["50"]), most=t.number(quantiles["95"]))


def _sparkline(counts: tuple[int, ...]) -> str:
    most = max(counts, default=0) or 1
    return "".join(_SPARK[round(count / most * (len(_SPARK) - 1))] if count else " " for count in counts).strip()


def _short(text: str, limit: int = 48) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _total(t: Translator, report: Report) -> str:
    rules = " · ".join(f"{rule} × {t.number(count)}" for rule, count in sorted(report.by_rule.items()))
    return t("card.judged.findings", n=report.findings_total, rules=rules)


def finding_line(t: Translator, finding: Finding) -> str:
    """Where, which rule, why."""
    where = _where(t, finding.line, finding.row)
    if finding.message is not None:
        where = t("finding.message", where=where, message=finding.message + 1)
    return f"{where} · {finding.rule} · {t(f'finding.{finding.code}', **finding.fields)}"


def _where(t: Translator, line: int, row: int | None) -> str:
    return t("finding.row", row=row, line=line) if row else t("finding.line", line=line)


def report_text(t: Translator, report: Report, name: str) -> str:
    """All findings as a text file."""
    lines = [t("report.title", name=name), _total(t, report) if report.findings else t("report.clean"), ""]
    lines.extend(finding_line(t, finding) for finding in report.findings)
    if report.findings_total > len(report.findings):
        lines.append(t("card.judged.more", n=report.findings_total - len(report.findings)))
    return "\n".join(lines) + "\n"


def changes_text(t: Translator, changes: Changes, version: int, name: str) -> str:
    """What a mending changed, row by row, as a text file."""
    lines = [t("report.changes", name=name, version=version), changed(t, version, changes), ""]
    for change in changes.examples:
        where = (
            t("finding.row", row=change.row, line=change.line) if change.row else t("finding.line", line=change.line)
        )
        did = t("list.separator").join(t(f"did.{mend}") for mend in change.mends)
        lines += [f"{where} · {did}", f"- {change.before}", f"+ {change.after}" if change.after else "", ""]
    shown, all_of_them = len(changes.examples), sum(changes.counts.values()) + sum(changes.left_out.values())
    if shown and shown < all_of_them:
        lines.append(t("report.changes.more", n=shown))
    return "\n".join(lines) + "\n"
