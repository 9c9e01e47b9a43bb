"""The buttons under an answer."""

from bot.chat.content import Button, Card, Paragraph
from bot.chat.keypad import Keypad
from bot.locales import Translator


def during(t: Translator, keypad: Keypad, answer_id: int) -> tuple[tuple[Button, ...], ...]:
    """While the model speaks."""
    return ((keypad.press(t("button.stop"), "talk.stop", answer=answer_id),),)


def after(
    t: Translator, keypad: Keypad, answer_id: int, *, rateable: bool, unfinished: bool
) -> tuple[tuple[Button, ...], ...]:
    """When it is over. Only a whole answer can be rated; one at its greatest length can be gone on with, and so can a
    rest that did not come to its end.
    """
    again = keypad.press(t("button.retry"), "talk.retry", answer=answer_id)
    more = (keypad.press(t("button.continue"), "talk.continue", answer=answer_id, once=True),) if unfinished else ()
    if not rateable:
        return ((*more, again),)
    row = (
        again,
        keypad.press("👍", "talk.rate", answer=answer_id, value=1),
        keypad.press("👎", "talk.rate", answer=answer_id, value=-1),
        keypad.press("✏️", "talk.suggest", asks=True, answer=answer_id),
    )
    return (more, row) if more else (row,)


def suggest(t: Translator, keypad: Keypad, suggestion_id: int, person_id: int) -> Card:
    """How to give a better answer."""
    never_mind = keypad.press(
        t("button.never_mind"), "talk.unsuggest", person_id=person_id, once=True, suggestion=suggestion_id
    )
    return Card(t("card.suggest"), (Paragraph(t("card.suggest.how")),), ((never_mind,),), rings=False, personal=True)


def suggested(t: Translator, keypad: Keypad, suggestion_id: int, person_id: int) -> Card:
    """Thanks for one, and how to take it back."""
    back = keypad.press(
        t("button.take_back"), "talk.unsuggest", person_id=person_id, once=True, suggestion=suggestion_id
    )
    return Card(blocks=(Paragraph(t("card.suggested")),), buttons=((back,),), rings=False, personal=True)
