"""Rows of a dataset as people read them: one example at a time, as the model will see it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.chat.content import Block, Button, Card, Code, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from finetune.providers.provider import Piece

_MOST_CHARACTERS = 3000


def as_lines(t: Translator, messages: Sequence[Mapping[str, str]]) -> list[str]:
    """A conversation, a line a message."""
    return [f"{t('turn.' + message['role'])}: {message['content']}" for message in messages]


def preview(
    t: Translator,
    keypad: Keypad,
    dataset_id: int,
    row: int,
    rows: int,
    messages: Sequence[Mapping[str, str]],
    pieces: Sequence[Piece] | None,
) -> Card:
    """One example, with the way to the next. ``pieces``: the row in the base's template, where that can be told."""
    blocks: list[Block] = []
    if pieces is None:
        for message in messages:
            blocks.append(Paragraph(t(f"turn.{message['role']}"), Tone.MUTED))
            blocks.append(Code(_cut(message["content"])))
    else:
        blocks.append(Paragraph(t("card.preview.marks"), Tone.MUTED))
        blocks.append(Code(_cut(marked(pieces))))
        learned = sum(piece.tokens for piece in pieces if piece.learned and not piece.cut)
        total = sum(piece.tokens for piece in pieces)
        lost = sum(piece.tokens for piece in pieces if piece.cut)
        blocks.append(Paragraph(t("card.preview.tokens", n=total, learned=t.number(learned)), Tone.MUTED))
        if lost:
            blocks.append(Paragraph(t("card.preview.cut", n=lost), Tone.WARNING))
    buttons: list[Button] = []
    turn = "dataset.preview"
    if row > 0:
        buttons.append(keypad.press(t("button.previous"), turn, dataset=dataset_id, row=row - 1, turn=True))
    if row + 1 < rows:
        buttons.append(keypad.press(t("button.next"), turn, dataset=dataset_id, row=row + 1, turn=True))
    title = t("card.preview", id=dataset_id, row=row + 1, rows=rows)
    return Card(title, tuple(blocks), (tuple(buttons),) if buttons else (), rings=False)


def marked(pieces: Sequence[Piece]) -> str:
    """What is learned between ⟦ and ⟧, what is cut after ✂."""
    text, cut = "", False
    for piece in pieces:
        if piece.cut and not cut:
            text += "✂"
            cut = True
        text += f"⟦{piece.text}⟧" if piece.learned and not piece.cut else piece.text
    return text


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def row_of(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a canonical row."""
    return [{"role": str(message["role"]), "content": str(message["content"])} for message in found["messages"]]
