"""Cards as Telegram shows them: facts from top to bottom of a phone's screen."""

import unicodedata

from telegram.constants import MessageEntityType as Kind

from bot.chat.content import Bar, Block, Card, Chart, Code, Fields, Items, Paragraph, Tone
from bot.platforms.drawing import bar, sparkline
from bot.platforms.telegram.styled import MOST_UNITS, Builder, Styled, shortened

_MARKS = {Tone.GOOD: "✅", Tone.WARNING: "⚠️", Tone.ERROR: "❌"}
_FIRST_WIDE = 0x2E80  # from here on scripts that are written with full-width punctuation


def render_card(card: Card) -> Styled:
    """The whole card as text; it may be longer than a message holds (see :func:`fitting`)."""
    builder = Builder()
    if card.title:
        builder.add(_marked(card.title, card.tone), Kind.BOLD)
    for index, block in enumerate(card.blocks):
        if card.title or index:
            builder.add("\n\n")
        _add_block(builder, block)
    return builder.build()


def fitting(whole: Styled) -> Styled:
    """The card, cut after a line where it is longer than a message."""
    return shortened(whole, MOST_UNITS)


def _add_block(builder: Builder, block: Block) -> None:
    match block:
        case Paragraph(text, Tone.MUTED):
            builder.add(text, Kind.ITALIC)
        case Paragraph(text, tone):
            builder.add(_marked(text, tone))
        case Fields(rows):
            builder.add("\n".join(_field(name, value) for name, value in rows))
        case Items(items):
            builder.add("\n".join(f"• {item}" for item in items))
        case Code(text):
            builder.add(text, Kind.PRE)
        case Bar(share, caption):
            builder.add(f"{bar(share)} {caption}".strip())
        case Chart(points, caption):
            builder.add(f"{sparkline([y for _, y in points])}\n{caption}".strip())


def _marked(text: str, tone: Tone) -> str:
    # A text that begins with a symbol of its own needs no second one.
    mark = _MARKS.get(tone)
    if mark is None or (text and unicodedata.category(text[0]) == "So"):
        return text
    return f"{mark} {text}"


def _field(name: str, value: str) -> str:
    if not name:
        return value
    if name[-1] in ":：":
        return f"{name} {value}"
    return f"{name}{'：' if ord(name[-1]) >= _FIRST_WIDE else ': '}{value}"
