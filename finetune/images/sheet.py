"""The contact sheet: every picture small, with its number, its name and a mark where something was found.

A page is a PNG, 1,080 pixels wide for a phone, with at most 24 pictures. An error is a red octagon with a cross, a
warning a yellow triangle with an exclamation mark: shape and lightness differ, not only the colour.
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from finetune.datasets.findings import Severity
from finetune.images.findings import Finding
from finetune.images.fonts import font, shortened, written
from finetune.images.report import Image

PER_PAGE = 24
COLUMNS = 4
TILE = 246
_MARGIN, _GAP = 24, 16
_HEADER, _NAME = 76, 44
_BACKGROUND, _INK, _PALE = "#ffffff", "#1b1b1b", "#e4e4e4"
_ERROR, _WARNING = "#c8371b", "#f5c518"
_MARK = 54
_OCTAGON = ((0.3, 0.0), (0.7, 0.0), (1.0, 0.3), (1.0, 0.7), (0.7, 1.0), (0.3, 1.0), (0.0, 0.7), (0.0, 0.3))
_TRIANGLE = ((0.5, 0.0), (1.0, 0.92), (0.0, 0.92))


def page_name(page: int) -> str:
    """The file of a page, 1-based."""
    return f"page-{page}.png"


def draw(
    folder: Path, images: Sequence[Image], thumbnails: Sequence[Pillow.Image | None], findings: Sequence[Finding]
) -> int:
    """Write the pages to ``folder``. Returns how many. ``thumbnails``: RGB, at most 246 × 246, None where broken."""
    marks: dict[int, Severity] = {}
    for finding in findings:
        if finding.number is not None and marks.get(finding.number) is not Severity.ERROR:
            marks[finding.number] = finding.severity
    starts = range(0, len(images), PER_PAGE)
    for page, start in enumerate(starts, 1):
        shown = slice(start, start + PER_PAGE)
        _page(images[shown], thumbnails[shown], marks, len(images)).save(folder / page_name(page))
    return len(starts)


def _page(
    images: Sequence[Image], thumbnails: Sequence[Pillow.Image | None], marks: dict[int, Severity], total: int
) -> Pillow.Image:
    columns = min(COLUMNS, max(2, len(images)))
    rows = -(-len(images) // columns)
    width = 2 * _MARGIN + columns * TILE + (columns - 1) * _GAP
    height = _HEADER + rows * (TILE + _NAME + _GAP) + _MARGIN - _GAP
    page = Pillow.new("RGB", (width, height), _BACKGROUND)
    pen = ImageDraw.Draw(page)
    _header(pen, f"{images[0].number}–{images[-1].number} / {total}", list(marks.values()))
    for place, (image, thumbnail) in enumerate(zip(images, thumbnails, strict=True)):
        left = _MARGIN + place % columns * (TILE + _GAP)
        top = _HEADER + place // columns * (TILE + _NAME + _GAP)
        _tile(page, pen, left, top, thumbnail)
        _number(pen, left, top, str(image.number))
        if image.number in marks:
            _mark(pen, left + TILE - _MARK - 6, top + 6, marks[image.number], _MARK)
        face = font(25)
        # Without its ending: the room is needed for what tells one from another.
        stem = image.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        name = shortened(face, written(face, stem), TILE)
        pen.text((left + TILE / 2, top + TILE + 5), name, _INK, face, anchor="ma")
    return page


def _header(pen: ImageDraw.ImageDraw, text: str, marks: Sequence[Severity]) -> None:
    """Which pictures, and how many of the whole set carry each mark."""
    face = font(34)
    left = float(_MARGIN)
    pen.text((left, _HEADER / 2), text, _INK, face, anchor="lm")
    left += face.getlength(text) + 36
    for severity in (Severity.ERROR, Severity.WARNING):
        count = marks.count(severity)
        if count:
            _mark(pen, left, _HEADER / 2 - 21, severity, 42)
            pen.text((left + 52, _HEADER / 2), str(count), _INK, face, anchor="lm")
            left += 52 + face.getlength(str(count)) + 30


def _tile(page: Pillow.Image, pen: ImageDraw.ImageDraw, left: int, top: int, thumbnail: Pillow.Image | None) -> None:
    pen.rectangle((left, top, left + TILE - 1, top + TILE - 1), _PALE)
    if thumbnail is None:
        pen.line((left + 70, top + 70, left + TILE - 70, top + TILE - 70), "#8a8a8a", 8)
        pen.line((left + 70, top + TILE - 70, left + TILE - 70, top + 70), "#8a8a8a", 8)
    else:
        page.paste(thumbnail, (left + (TILE - thumbnail.width) // 2, top + (TILE - thumbnail.height) // 2))


def _number(pen: ImageDraw.ImageDraw, left: float, top: float, number: str) -> None:
    face = font(32)
    width = max(46.0, face.getlength(number) + 20)
    pen.rounded_rectangle((left + 6, top + 6, left + 6 + width, top + 50), 10, _INK, "#ffffff", 2)
    pen.text((left + 6 + width / 2, top + 28), number, "#ffffff", face, anchor="mm")


def _mark(pen: ImageDraw.ImageDraw, left: float, top: float, severity: Severity, size: float) -> None:
    error = severity is Severity.ERROR
    shape = [(left + x * size, top + y * size) for x, y in (_OCTAGON if error else _TRIANGLE)]
    pen.polygon(shape, _ERROR if error else _WARNING, "#ffffff" if error else _INK, 3)
    if error:
        low, high = size * 0.32, size * 0.68
        pen.line((left + low, top + low, left + high, top + high), "#ffffff", 6)
        pen.line((left + low, top + high, left + high, top + low), "#ffffff", 6)
    else:
        middle = left + size / 2
        pen.line((middle, top + size * 0.32, middle, top + size * 0.62), _INK, 5)
        pen.ellipse((middle - 3, top + size * 0.7, middle + 3, top + size * 0.7 + 6), _INK)
