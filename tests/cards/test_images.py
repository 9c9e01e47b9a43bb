"""The image sets' card, in both languages."""

import pytest

from bot.cards import images
from bot.chat.content import AttachmentKind, Button, Fields, Items, Paragraph, Tone
from bot.locales import translator
from finetune.images import Finding, Image, Note, Report
from finetune.images.findings import Problem
from finetune.images.report import size_classes
from finetune.images.sizes import fit


def image(number: int, width: int, height: int) -> Image:
    return Image(number, f"{number}.jpg", "jpeg", 1000, width, height, fit(width, height), "a cat", 2)


def report(*findings: Finding) -> Report:
    pictures = (image(1, 2000, 1500), image(2, 3000, 1000), image(3, 300, 300))
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.code] = counts.get(finding.code, 0) + 1
    return Report(
        pictures, 3, 3, 3_000_000, size_classes(pictures), 1, findings, counts, (Note("tokens_estimated", {}),)
    )


def missing(number: int) -> Finding:
    return Finding.of(Problem("caption_missing"), number, f"{number}.jpg")


BROKEN = Finding.of(Problem("image_broken"), 3, "龙猫.jpg")


def test_a_good_set_without_findings() -> None:
    button = Button("Train", token="t")
    card = images.judged(translator("en"), report(), "totoro", buttons=((button,),), sheets=[b"png"])
    assert card.tone is Tone.GOOD
    assert card.title == "totoro: the images can be trained on"
    assert card.buttons == ((button,),)
    assert [one.kind for one in card.attachments] == [AttachmentKind.PICTURE]
    facts = next(block for block in card.blocks if isinstance(block, Fields))
    assert facts.rows == (
        ("Images", "3 (3 MB with captions)"),
        ("Captions", "3 of 3"),
        ("Sizes", "1 scaled down · 1 cropped · 1 enlarged"),
    )


def test_errors_come_first_and_what_is_alike_is_said_once() -> None:
    card = images.judged(translator("en"), report(missing(1), missing(2), BROKEN), "totoro")
    assert card.tone is Tone.ERROR
    (items,) = [block for block in card.blocks if isinstance(block, Items)]
    first, second = items.items
    assert first == "Image 3, 龙猫.jpg · The image is damaged and cannot be decoded. Save it again."
    assert second.startswith("Image 1, 1.jpg · No caption; only the trigger word will describe it.")
    assert second.endswith("(and 1 more like it)")
    assert Paragraph("3 findings: 1 that stop a training, 2 to know about", Tone.ERROR) in card.blocks


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_says_what_becomes_of_every_size(language: str) -> None:
    text = images.report_text(translator(language), report(missing(2), BROKEN), "totoro")
    lines = text.splitlines()
    assert len(lines) == 2 + 1 + 2 + 1 + 3
    if language == "en":
        assert lines[-3:] == [
            "Image 1, 1.jpg · 2000×1500 → scaled to 1024×768, nothing cropped",
            "Image 2, 2.jpg · 3000×1000 → fitted to 1024×768, 56% cropped (left and right)",
            "Image 3, 3.jpg · 300×300 → enlarged to 1024×1024, nothing cropped",
        ]
    else:
        assert "裁掉 56%（左右）" in lines[-2]
