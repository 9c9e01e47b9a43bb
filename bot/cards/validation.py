"""What a file was understood as, and what is wrong with it."""

from bot.chat.content import Block, Button, ButtonStyle, Card, Code, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.datasets import Finding, Report, Severity

SHOWN = 10
_SPARK = "▁▂▃▄▅▆▇█"


def reading(t: Translator, name: str) -> Card:
    """While a file is read."""
    return Card(t("card.reading", name=name), (Paragraph(t("card.reading.what"), Tone.MUTED),), rings=False)


def judged(
    t: Translator, keypad: Keypad, report: Report, name: str, dataset_id: int | None, *, version: int = 1, known: bool
) -> Card:
    """The validation card. ``dataset_id`` is None when errors were found and nothing was kept."""
    errors = sum(1 for finding in report.findings if finding.severity is Severity.ERROR)
    blocks: list[Block] = []
    if dataset_id is None:
        title = t("card.judged.bad", name=name)
        blocks.append(Paragraph(t("card.judged.bad.next")))
    else:
        title = t("card.judged.good", name=name, id=f"/ds_{dataset_id}")
        if known:
            blocks.append(Paragraph(t("card.judged.known", version=version), Tone.MUTED))
    blocks.extend(Paragraph(t(f"dataset.note.{note}")) for note in report.notes)
    blocks.append(Fields(tuple(_facts(t, report))))
    if report.findings:
        blocks.append(Paragraph(_total(t, report), Tone.ERROR if errors else Tone.WARNING))
        blocks.append(Items(tuple(finding_line(t, finding) for finding in report.findings[:SHOWN])))
        if report.findings_total > SHOWN:
            blocks.append(Paragraph(t("card.judged.more", n=report.findings_total - SHOWN), Tone.MUTED))
    tone = Tone.ERROR if dataset_id is None else Tone.WARNING if report.findings else Tone.GOOD
    return Card(title, tuple(blocks), _buttons(t, keypad, report, dataset_id), tone=tone, rings=False)


def _buttons(t: Translator, keypad: Keypad, report: Report, dataset_id: int | None) -> tuple[tuple[Button, ...], ...]:
    if dataset_id is None:
        return ()
    row = [
        keypad.press(t("button.train"), "train.open", style=ButtonStyle.PRIMARY, dataset=dataset_id),
        keypad.press(t("button.preview"), "dataset.preview", dataset=dataset_id, row=0, turn=False),
    ]
    if report.findings:
        row.append(keypad.press(t("button.report"), "dataset.report", dataset=dataset_id))
    return (tuple(row),)


def _facts(t: Translator, report: Report) -> list[tuple[str, str]]:
    tokens = t("fact.tokens.unknown")
    if report.tokens is not None:
        key = "fact.tokens.exact" if report.tokens.exact else "fact.tokens.sampled"
        tokens = t(key, n=report.tokens.count, method=report.tokens.method)
    rows = [
        (t("fact.format"), t(f"format.{report.format}", container=report.container.upper(), encoding=report.encoding)),
        (t("fact.rows"), t("fact.rows.value", n=report.rows, turns=report.turns)),
        (t("fact.tokens"), tokens),
    ]
    if report.longest_tokens is not None:
        rows.append((t("fact.longest"), t("fact.longest.value", n=report.longest_tokens)))
    if any(report.length_histogram):
        rows.append((t("fact.lengths"), _sparkline(report.length_histogram)))
    shares = [
        f"{t(f'language.{name}')} {t.percent(share)}" for name, share in report.languages.items() if share >= 0.005
    ]
    if shares:
        rows.append((t("fact.languages"), " · ".join(shares)))
    prompts = [text for text, _ in report.system_prompts if text]
    if prompts:
        rows.append((t("fact.system_prompt"), _short(prompts[0]) if len(prompts) == 1 else t("fact.varies")))
    if report.exact_duplicates:
        rows.append((t("fact.duplicates"), t.number(report.exact_duplicates)))
    return rows


def _sparkline(counts: tuple[int, ...]) -> str:
    most = max(counts)
    return "".join(_SPARK[round(count / most * (len(_SPARK) - 1))] if count else " " for count in counts).strip()


def _short(text: str, limit: int = 48) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _total(t: Translator, report: Report) -> str:
    rules = " · ".join(f"{rule} × {t.number(count)}" for rule, count in sorted(report.by_rule.items()))
    return t("card.judged.findings", n=report.findings_total, rules=rules)


def finding_line(t: Translator, finding: Finding) -> str:
    """Where, which rule, why."""
    where = (
        t("finding.row", row=finding.row, line=finding.line) if finding.row else t("finding.line", line=finding.line)
    )
    if finding.message is not None:
        where = t("finding.message", where=where, message=finding.message + 1)
    return f"{where} · {finding.rule} · {t(f'finding.{finding.code}', **finding.fields)}"


def report_text(t: Translator, report: Report, name: str) -> str:
    """All findings as a text file."""
    lines = [t("report.title", name=name), _total(t, report) if report.findings else t("report.clean"), ""]
    lines.extend(finding_line(t, finding) for finding in report.findings)
    if report.findings_total > len(report.findings):
        lines.append(t("card.judged.more", n=report.findings_total - len(report.findings)))
    return "\n".join(lines) + "\n"


def preview(
    t: Translator, keypad: Keypad, dataset_id: int, row: int, rows: int, messages: list[tuple[str, str]]
) -> Card:
    """One example, with the way to the next."""
    blocks: list[Block] = []
    for role, content in messages:
        blocks.append(Paragraph(t(f"turn.{role}"), Tone.MUTED))
        blocks.append(Code(content) if len(content) <= 1500 else Code(content[:1500] + "…"))
    buttons = []
    turn = "dataset.preview"
    if row > 0:
        buttons.append(keypad.press(t("button.previous"), turn, dataset=dataset_id, row=row - 1, turn=True))
    if row + 1 < rows:
        buttons.append(keypad.press(t("button.next"), turn, dataset=dataset_id, row=row + 1, turn=True))
    return Card(
        t("card.preview", id=dataset_id, row=row + 1, rows=rows),
        tuple(blocks),
        (tuple(buttons),) if buttons else (),
        rings=False,
    )
