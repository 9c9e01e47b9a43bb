"""What an image set was understood as, and what is wrong with it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat.content import Attachment, AttachmentKind, Block, Button, Card, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.images import Finding, Image, Report, Severity

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """What a card says of the dataset that a set became. ``original``: there is a file as it came."""

    id: int
    known: bool = False
    original: bool = True
    shared: tuple[tuple[str, str], ...] = ()


def judged(
    t: Translator,
    report: Report,
    name: str,
    *,
    buttons: tuple[tuple[Button, ...], ...] = (),
    sheets: Sequence[bytes] = (),
    dataset: Shown | None = None,
    collected: bool = False,
) -> Card:
    """The validation card. ``sheets``: the pages of the contact sheet, which go out with it. ``dataset``: what it
    became. ``collected``: pictures that were sent one by one, and are kept until they are right.
    """
    title = t("image.card.good" if report.ok else "image.card.bad", name=name)
    blocks: list[Block] = []
    if dataset is not None:
        title = t("image.card.ready", name=name, id=f"/ds_{dataset.id}")
        if dataset.known:
            blocks.append(Paragraph(t("image.card.known"), Tone.MUTED))
    if not report.ok:
        blocks.append(Paragraph(t("image.card.bad.open" if collected else "image.card.bad.next")))
    blocks.extend(Paragraph(t(f"image.note.{note.code}", **note.fields), Tone.MUTED) for note in report.notes)
    blocks.append(Fields((*facts(t, report), *_shares(t, dataset))))
    if report.findings_total:
        blocks.append(Paragraph(_total(t, report), Tone.ERROR if report.errors else Tone.WARNING))
        lines, told = _first_of_each_kind(t, report)
        blocks.append(Items(tuple(lines)))
        if report.findings_total > told:
            blocks.append(Paragraph(t("card.judged.more", n=report.findings_total - told), Tone.MUTED))
    if dataset is not None:
        blocks.append(Paragraph(t("image.card.training", id=str(dataset.id)), Tone.MUTED))
    tone = Tone.ERROR if not report.ok else Tone.WARNING if report.findings_total else Tone.GOOD
    return Card(title, tuple(blocks), buttons, sheet_pictures(t, sheets), tone=tone, rings=False)


def reading(t: Translator, name: str) -> Card:
    """While a set is read."""
    return Card(t("card.reading", name=name), (Paragraph(t("image.card.reading"), Tone.MUTED),), rings=False)


def buttons(t: Translator, keypad: Keypad, report: Report, dataset: Shown) -> tuple[tuple[Button, ...], ...]:
    """What can be done with an image dataset."""
    number = dataset.id
    first = [keypad.press(t("button.sheet"), "images.sheet", dataset=number)]
    if report.findings_total:
        first.append(keypad.press(t("button.report"), "images.report", dataset=number))
    files = [keypad.press(t("button.download"), "images.download", dataset=number)]
    if dataset.original:
        files.append(keypad.press(t("button.original"), "images.original", dataset=number))
    return tuple(first), tuple(files), (keypad.press(t("button.delete"), "dataset.delete", dataset=number),)


def sheet(t: Translator, name: str, pages: Sequence[bytes]) -> Card:
    """The contact sheet as a message of its own: an edit cannot bring pictures."""
    return Card(t("image.card.sheet", name=name), attachments=sheet_pictures(t, pages), rings=False)


def sheet_pictures(t: Translator, pages: Sequence[bytes]) -> tuple[Attachment, ...]:
    """The pages of a contact sheet as pictures."""
    return tuple(
        Attachment(f"images-{page}.png", "image/png", data, AttachmentKind.PICTURE, t("image.sheet.alt", page=page))
        for page, data in enumerate(pages, 1)
    )


def finding_line(t: Translator, finding: Finding) -> str:
    """Which picture, why."""
    sentence = t(f"image.{finding.code}", **finding.fields)
    if finding.number is not None:
        return f"{t('image.where', n=finding.number, file=finding.file)} · {sentence}"
    return f"{finding.file} · {sentence}" if finding.file else sentence


def size_line(t: Translator, image: Image) -> str:
    """What training does to a picture's size: ``2000×1500 → scaled to 1024×768, nothing cropped``."""
    fit = image.fit
    if fit is None:
        return t("image.size.unknown")
    change = fit.change.value
    size = {"width": str(image.width), "height": str(image.height), "target": f"{fit.width}×{fit.height}"}
    if not fit.cropped:
        return t(f"image.size.{change}", **size)
    key = "enlarged_cropped" if fit.scale > 1 else "cropped"
    return t(f"image.size.{key}", **size, percent=t.percent(fit.cropped), edge=t(f"image.edge.{fit.edge.value}"))


def report_text(t: Translator, report: Report, name: str) -> str:
    """Every picture with its size, and all findings, as a text file."""
    lines = [t("report.title", name=name), _total(t, report) if report.findings_total else t("report.clean"), ""]
    lines.extend(finding_line(t, finding) for finding in report.findings)
    if report.findings_total > len(report.findings):
        lines.append(t("card.judged.more", n=report.findings_total - len(report.findings)))
    lines.append("")
    lines.extend(
        f"{t('image.where', n=image.number, file=image.file)} · {size_line(t, image)}" for image in report.images
    )
    return "\n".join(lines) + "\n"


def facts(t: Translator, report: Report) -> list[tuple[str, str]]:
    """How many images and captions, and what becomes of the sizes."""
    classes = [t(f"image.class.{change}", n=count) for change, count in report.size_classes.items() if count]
    size = t.size(report.total_bytes)
    rows = [
        (t("image.fact.images"), t("image.fact.images.value", n=report.images_total, size=size)),
        (t("image.fact.captions"), t("image.fact.captions.value", n=report.captions, images=len(report.images))),
    ]
    if classes:
        rows.append((t("image.fact.sizes"), " · ".join(classes)))
    return rows


def _shares(t: Translator, dataset: Shown | None) -> list[tuple[str, str]]:
    if dataset is None or not dataset.shared:
        return []
    shares = [t(f"share.{right}", name=name or t("share.team")) for name, right in dataset.shared]
    return [(t("fact.shared"), t("list.separator").join(shares))]


def _total(t: Translator, report: Report) -> str:
    errors = report.errors
    return t("image.card.findings", n=report.findings_total, errors=errors, warnings=report.findings_total - errors)


def _first_of_each_kind(t: Translator, report: Report) -> tuple[list[str], int]:
    """A line a kind of finding, errors first, and how many findings those lines speak of."""
    firsts: dict[str, Finding] = {}
    for finding in sorted(report.findings, key=lambda one: one.severity is not Severity.ERROR):
        firsts.setdefault(finding.code, finding)
    counts = Counter(report.by_code)
    lines = []
    told = 0
    for code, finding in list(firsts.items())[:SHOWN]:
        line = finding_line(t, finding)
        lines.append(line if counts[code] == 1 else t("image.card.more_alike", line=line, n=counts[code] - 1))
        told += counts[code]
    return lines, told
