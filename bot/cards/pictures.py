"""Pictures of figures. Numbers only: what they mean is said in words beside them, in the reader's language."""

import io

from PIL import Image, ImageDraw, ImageFont

from finetune.datasets import Measures

# Wide enough to be read on a phone; colours that differ in lightness too.
_WIDTH, _HEIGHT, _MARGIN = 1080, 640, 70
_PAPER, _INK, _BAR, _LAST = "#ffffff", "#1d2733", "#3567a6", "#c2571a"


def lengths(measures: Measures) -> bytes:
    """Rows by tokens, as PNG: bars from the shortest to the longest, the last one without an end in its own colour."""
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(28)
    counts, edges = measures.lengths.counts, measures.lengths.edges
    most = max(counts, default=0) or 1
    left, right, bottom, top = _MARGIN * 2, _WIDTH - _MARGIN, _HEIGHT - _MARGIN * 2, _MARGIN
    step = (right - left) / max(len(counts), 1)
    for place, count in enumerate(counts):
        height = (bottom - top) * count / most
        begin = left + place * step
        colour = _LAST if place == len(counts) - 1 else _BAR
        draw.rectangle((begin + 1, bottom - height, begin + step - 1, bottom), fill=colour)
    draw.line((left, bottom, right, bottom), fill=_INK, width=2)
    for share in (0, 0.5, 1):
        y = bottom - (bottom - top) * share
        draw.text((left - 14, y), f"{round(most * share):,}", fill=_INK, font=font, anchor="rm")
    for place in range(0, len(edges), max(1, len(edges) // 6)):
        draw.text((left + place * step, bottom + 14), f"{edges[place]:,}", fill=_INK, font=font, anchor="mt")
    draw.text(((left + right) / 2, _HEIGHT - 34), "tokens", fill=_INK, font=font, anchor="mm")
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return data.getvalue()
