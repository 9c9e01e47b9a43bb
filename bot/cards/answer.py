"""The buttons under an answer."""

from bot.chat.content import Button
from bot.chat.keypad import Keypad
from bot.locales import Translator


def during(t: Translator, keypad: Keypad, conversation_id: int) -> tuple[tuple[Button, ...], ...]:
    """While the model speaks."""
    return ((keypad.press(t("button.stop"), "talk.stop", conversation=conversation_id),),)


def after(t: Translator, keypad: Keypad, answer_id: int) -> tuple[tuple[Button, ...], ...]:
    """When it is done."""
    return ((keypad.press(t("button.retry"), "talk.retry", answer=answer_id),),)
