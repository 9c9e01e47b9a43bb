"""What people said of answers, for a trainer to decide on, and what it made of a dataset."""

import json

from bot.chat.content import Attachment, ButtonStyle, Card, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.flywheel import Grown, Item

_LONGEST = 900
_SHOWN = 10
_SHORT = 80


def item(t: Translator, keypad: Keypad, found: Item | None) -> Card:
    """One thing to decide on."""
    if found is None:
        return Card(t("card.review.none"), (Paragraph(t("card.review.none.how"), Tone.MUTED),), rings=False)
    rows = [(t("fact.asked"), found.question[:_LONGEST]), (t("fact.answered"), found.answer[:_LONGEST])]
    if found.better != found.answer:
        rows.append((t("fact.better"), found.better[:_LONGEST]))
    rows.append((t("fact.ratings"), f"👍 {found.up} · 👎 {found.down}"))
    buttons = (
        keypad.press(t("button.accept"), "review.accept", style=ButtonStyle.PRIMARY, key=found.key),
        keypad.press(t("button.reject"), "review.reject", key=found.key),
        keypad.press(t("button.later"), "review.next", key=found.key),
    )
    how = Paragraph(t("card.review.edit", command=f"/review_{found.key}"), Tone.MUTED)
    return Card(t("card.review", n=found.waiting), (Fields(tuple(rows)), how), (buttons,), rings=False)


def grown(t: Translator, keypad: Keypad, found: Grown) -> Card:
    """The difference between a dataset's new version and the one before, and the way on."""
    dataset, number = found.held.dataset, found.held.version.number
    lines = []
    for row in found.rows[:_SHOWN]:
        asked, answered = (message["content"] for message in row["messages"][-2:])
        lines.append(f"+ {_short(asked)} → {_short(answered)}")
    if len(found.rows) > _SHOWN:
        lines.append(t("card.grown.more", n=len(found.rows) - _SHOWN))
    notes = [Items(tuple(lines))] if lines else []
    repeated = [Paragraph(t("card.grown.repeated", n=found.repeated), Tone.MUTED)] if found.repeated else []
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found.rows).encode()
    files = (Attachment(f"{dataset.name}-v{number}-added.jsonl", "application/jsonl", data),) if found.rows else ()
    train = keypad.press(t("button.train"), "train.open", style=ButtonStyle.PRIMARY, dataset=dataset.id)
    title = t("card.grown", name=dataset.name, command=f"/ds_{dataset.id}", number=number, n=len(found.rows))
    return Card(title, (*notes, *repeated), ((train,),), files, Tone.GOOD, rings=False)


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHORT else plain[: _SHORT - 1] + "…"
