"""Buttons as an inline keyboard."""

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit, InlineKeyboardMarkupLimit, KeyboardButtonStyle

from bot.chat.content import Button, ButtonStyle
from bot.platforms.telegram.styled import clean

Buttons = tuple[tuple[Button, ...], ...]

_MOST_COPIED = int(InlineKeyboardButtonLimit.MAX_COPY_TEXT)
_ROW = int(InlineKeyboardMarkupLimit.BUTTONS_PER_ROW)
_STYLES = {ButtonStyle.PRIMARY: KeyboardButtonStyle.PRIMARY, ButtonStyle.DANGER: KeyboardButtonStyle.DANGER}


def keyboard(rows: Buttons) -> InlineKeyboardMarkup | None:
    """The keyboard, ``None`` without buttons. A row that is too wide goes on in the next."""
    made: list[list[InlineKeyboardButton]] = []
    for row in rows:
        buttons = [_button(button) for button in row if not _too_long(button)]
        made.extend(buttons[start : start + _ROW] for start in range(0, len(buttons), _ROW))
    return InlineKeyboardMarkup(made) if made else None


def too_long_to_copy(rows: Buttons) -> list[str]:
    """Texts that no button can hold; they have to be shown as code, which a tap copies too."""
    return [clean(button.copy) for row in rows for button in row if _too_long(button)]


def _too_long(button: Button) -> bool:
    return len(clean(button.copy)) > _MOST_COPIED


def _button(button: Button) -> InlineKeyboardButton:
    style = _STYLES.get(button.style)
    label = clean(button.label)
    if button.copy:
        return InlineKeyboardButton(label, copy_text=CopyTextButton(clean(button.copy)), style=style)
    return InlineKeyboardButton(label, callback_data=button.token, style=style)
