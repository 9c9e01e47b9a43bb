"""Buttons, choices and the form for typed text, as Discord's message components."""

import re
from collections.abc import Iterator
from typing import Any

from bot.chat.content import Button, ButtonStyle, Card, Items
from bot.locales import Translator
from bot.platforms.discord.markdown import clean, clipped

Buttons = tuple[tuple[Button, ...], ...]
Component = dict[str, Any]

# Types of components.
ROW, BUTTON, SELECT, TEXT_INPUT, LABEL = 1, 2, 3, 4, 18
MOST_ROWS, MOST_IN_ROW, MOST_CHOICES = 5, 5, 25
MOST_LABEL, MOST_ID, MOST_CHOICE = 80, 100, 100
MOST_TYPED = 4000
# What the id of a component begins with: a press, a press that asks for a text first, a copy, a choice, a form.
PRESS, ASK, COPY, CHOICE, FORM = "t:", "p:", "c:", "go:", "m:"
TYPED = "text"

_STYLES = {ButtonStyle.NORMAL: 2, ButtonStyle.PRIMARY: 1, ButtonStyle.DANGER: 4}
_COMMAND = re.compile(r"(?<!\S)/[a-z]+_v?\d+(?!\w)")


def rows_of(buttons: Buttons, card: Card | None = None) -> list[Component]:
    """The rows under a message: buttons, and a menu of what a list names (``/ds_3``), which nobody has to type.

    Of more buttons than there is room for the last become choices of a menu.
    """
    made = [_row(row[at : at + MOST_IN_ROW]) for row in _shown(buttons) for at in range(0, len(row), MOST_IN_ROW)]
    choices = list(_named(card)) if card is not None else []
    room = MOST_ROWS - (1 if choices else 0)
    if len(made) > room:
        over = [button for row in made[room - 1 :] for button in row["components"]]
        made = [*made[: room - 1], _select("0", [(each["label"], each["custom_id"]) for each in over])]
    if choices:
        made.append(_select("1", choices))
    return made


def too_long_to_copy(buttons: Buttons) -> tuple[str, ...]:
    """Texts that no button can hold."""
    return tuple(clean(button.copy) for row in buttons for button in row if _too_long(button))


def form(token: str, t: Translator) -> dict[str, Any]:
    """The form that asks for a text before the press counts."""
    field = {"type": TEXT_INPUT, "custom_id": TYPED, "style": 2, "min_length": 1, "max_length": MOST_TYPED}
    return {
        "custom_id": FORM + token,
        "title": clipped(t("discord.form.title"), 45),
        "components": [{"type": LABEL, "label": clipped(t("discord.form.label"), 45), "component": field}],
    }


def typed(components: list[Component]) -> str:
    """The text of a form that came back."""
    for component in components:
        inner: Component = component.get("component") or next(iter(component.get("components", [])), {})
        if inner.get("custom_id") == TYPED:
            return str(inner.get("value", ""))
    return ""


def _shown(buttons: Buttons) -> Iterator[list[Component]]:
    # Discord takes no two components with one id: what means the same is there once.
    seen: set[str] = set()
    for row in buttons:
        made = [_button(button) for button in row if not _too_long(button)]
        fresh = []
        for component in made:
            if component["custom_id"] not in seen:
                seen.add(component["custom_id"])
                fresh.append(component)
        if fresh:
            yield fresh


def _button(button: Button) -> Component:
    kind = COPY + clean(button.copy) if button.copy else (ASK if button.asks else PRESS) + button.token
    label = clipped(clean(button.label), MOST_LABEL) or "\u200b"
    return {"type": BUTTON, "style": _STYLES[button.style], "label": label, "custom_id": kind}


def _too_long(button: Button) -> bool:
    return len(COPY) + len(clean(button.copy)) > MOST_ID


def _row(components: list[Component]) -> Component:
    return {"type": ROW, "components": components}


def _select(number: str, choices: list[tuple[str, str]]) -> Component:
    options = [{"label": clipped(label, MOST_CHOICE), "value": value} for label, value in choices[:MOST_CHOICES]]
    return _row([{"type": SELECT, "custom_id": CHOICE + number, "options": options}])


def _named(card: Card) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for block in card.blocks:
        for item in block.items if isinstance(block, Items) else ():
            found = _COMMAND.search(item)
            if found is not None and found.group() not in seen:
                seen.add(found.group())
                yield clean(item), found.group()
