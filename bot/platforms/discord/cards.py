"""Cards as embeds: facts from top to bottom, the tone as the colour of the edge."""

import unicodedata
from typing import Any

from bot.chat.content import Attachment, Bar, Block, Card, Chart, Code, Fields, Items, Paragraph, Tone
from bot.platforms.discord.markdown import ELLIPSIS, clean, clipped, escaped, fenced, subtext, units
from bot.platforms.drawing import bar, sparkline

MOST_TITLE, MOST_DESCRIPTION = 256, 4096  # of an embed; 6,000 over all of them, and we send one
WHOLE_CARD = "card.txt"
_MARKS = {Tone.GOOD: "✅", Tone.WARNING: "⚠️", Tone.ERROR: "❌"}
_COLOURS = {
    Tone.NORMAL: 0x3567A6,
    Tone.MUTED: 0x8A94A0,
    Tone.GOOD: 0x2E8B57,
    Tone.WARNING: 0xD99A1C,
    Tone.ERROR: 0xC23B32,
}
_FIRST_WIDE = 0x2E80  # from here on scripts that are written with full-width punctuation


def embed_of(card: Card, copies: tuple[str, ...] = ()) -> tuple[dict[str, Any], Attachment | None]:
    """The embed, and the whole card as a file where it is longer than an embed holds.

    ``copies`` are texts that no button can hold; they are shown as code, which Discord lets people copy.
    """
    blocks = [shown for block in card.blocks if (shown := _block(block))]
    blocks += [fenced(text) for text in copies]
    title = escaped(_marked(card.title, card.tone)) if card.title else ""
    if units(title) > MOST_TITLE:
        blocks.insert(0, f"**{title}**")
        title = ""
    whole = "\n\n".join(blocks)
    embed: dict[str, Any] = {"color": _COLOURS[card.tone]}
    if title:
        embed["title"] = title
    if units(whole) <= MOST_DESCRIPTION:
        if whole or not title:
            embed["description"] = whole or "\u200b"
        return embed, None
    embed["description"] = _shortened(whole)
    return embed, Attachment(WHOLE_CARD, "text/plain", f"{title}\n\n{whole}".strip().encode())


def _shortened(whole: str) -> str:
    head = clipped(whole, MOST_DESCRIPTION - 8)
    lines = head[: head.rfind("\n")].rstrip()
    if lines.count("```") % 2:
        lines += "\n```"
    return f"{lines}\n{ELLIPSIS}"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, Tone.MUTED):
            return subtext(text)
        case Paragraph(text, tone):
            return escaped(_marked(text, tone))
        case Fields(rows):
            return "\n".join(_field(name, value) for name, value in rows)
        case Items(items):
            return "\n".join(f"• {escaped(item)}" for item in items)
        case Code(text):
            return fenced(text)
        case Bar(share, caption):
            return f"{bar(share)} {escaped(caption)}".strip()
        case Chart(points, caption):
            return f"{sparkline([y for _, y in points])}\n{escaped(caption)}".strip()


def _marked(text: str, tone: Tone) -> str:
    # A text that begins with a symbol of its own needs no second one.
    mark = _MARKS.get(tone)
    if mark is None or (text and unicodedata.category(text[0]) == "So"):
        return text
    return f"{mark} {text}"


def _field(name: str, value: str) -> str:
    name = clean(name).rstrip(":：")
    if not name:
        return escaped(value)
    return f"{escaped(name)}{'：' if ord(name[-1]) >= _FIRST_WIDE else ': '}{escaped(value)}"
