"""What the model of a conversation is told to be."""

from bot.chat.content import Block, Button, Card, Code, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.personas import Persona

_SHOWN = 600  # characters of each prompt


def persona(t: Translator, keypad: Keypad, found: Persona) -> Card:
    """The prompts that were trained and the one in use, with the way back."""
    blocks: list[Block] = []
    for number, prompt in enumerate(found.trained, 1):
        blocks += [Paragraph(t("persona.trained", n=number)), Code(_short(prompt))]
    if not found.trained:
        blocks.append(Paragraph(t("persona.none" if found.label else "persona.base")))
    if found.chosen is None:
        blocks.append(Paragraph(t("persona.used", n=1) if found.trained else t("persona.used.none"), Tone.MUTED))
    elif found.differs:
        blocks += [Paragraph(t("persona.other")), Code(_short(found.chosen))]
        blocks.append(Paragraph(t("persona.differs"), Tone.WARNING))
    else:
        blocks.append(Paragraph(t("persona.used", n=found.trained.index(found.chosen) + 1), Tone.MUTED))
    title = t("card.persona", model=found.label) if found.label else t("card.persona.base")
    return Card(title, tuple(blocks), _buttons(t, keypad, found), rings=False, personal=False)


def _buttons(t: Translator, keypad: Keypad, found: Persona) -> tuple[tuple[Button, ...], ...]:
    rows: list[tuple[Button, ...]] = []
    if found.chosen is not None:
        rows.append((keypad.press(t("button.persona.trained"), "persona.choose", number=0),))
    others = [n for n in range(2, len(found.trained) + 1) if found.trained[n - 1] != found.chosen]
    if others:
        rows.append(tuple(keypad.press(t("button.persona.use", n=n), "persona.choose", number=n) for n in others[:4]))
    return tuple(rows)


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= _SHOWN else prompt[:_SHOWN].rstrip() + " …"
