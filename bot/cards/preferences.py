"""What a person has chosen: where and when they are told."""

from bot.chat.content import Block, Button, Card, Code, Fields, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.chat.places import Place, PlaceKind
from bot.locales import Translator
from bot.services.preferences import Preferences
from storage.tables import OutboxRow


def settings(
    t: Translator,
    keypad: Keypad,
    chosen: Preferences,
    here: Place,
    person_id: int | None,
    secret: str | None,
    last: OutboxRow | None,
) -> Card:
    """All choices, each with its way back. ``secret``: shown when a webhook was just set; ``last``: the last post."""
    if chosen.place is None:
        where = t("settings.where.asked")
    elif chosen.place == here:
        where = t("settings.where.here")
    else:
        where = t("settings.where.private", platform=chosen.place.platform)
    rows = [
        (t("settings.where"), where),
        (t("settings.quiet"), str(chosen.quiet) if chosen.quiet else t("settings.none")),
        (t("settings.webhook"), _webhook(t, chosen, here)),
    ]
    if last is not None and last.state in ("sent", "failed", "pending"):
        rows.append((t("settings.webhook.last"), t(f"settings.webhook.{last.state}", n=last.attempts)))
    blocks: list[Block] = [Fields(tuple(rows))]
    if secret is not None:
        blocks += [Paragraph(t("settings.webhook.secret")), Code(secret)]
    blocks.append(Paragraph(t("settings.how"), Tone.MUTED))
    return Card(t("card.settings"), tuple(blocks), _buttons(t, keypad, chosen, here, person_id), rings=False)


def _webhook(t: Translator, chosen: Preferences, here: Place) -> str:
    if not chosen.webhook:
        return t("settings.none")
    # Whoever knows the address may write to it.
    return chosen.webhook if here.kind is PlaceKind.PRIVATE else t("settings.webhook.hidden")


def _buttons(
    t: Translator, keypad: Keypad, chosen: Preferences, here: Place, person_id: int | None
) -> tuple[tuple[Button, ...], ...]:
    def press(what: str) -> Button:
        return keypad.press(t(f"button.settings.{what}"), "settings.change", person_id=person_id, what=what)

    wanted = []
    if here.kind is PlaceKind.PRIVATE and chosen.place != here:
        wanted.append("here")
    if chosen.place is not None:
        wanted.append("chat")
    if chosen.quiet is not None:
        wanted.append("quiet")
    if chosen.webhook is not None:
        wanted.append("webhook")
    return tuple((press(what),) for what in wanted)
