"""An image set that is being sent picture by picture."""

from collections.abc import Sequence

from bot.chat.content import Block, Button, ButtonStyle, Card, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.albums import Collected
from finetune.images import MAX_BYTES, MAX_IMAGES


def so_far(t: Translator, keypad: Keypad, person_id: int, found: Collected, *, stale: bool = False) -> Card:
    """What was collected. ``stale``: more came while it was read."""
    blocks: list[Block] = []
    if stale:
        blocks.append(Paragraph(t("album.stale"), Tone.WARNING))
    blocks.append(Paragraph(t("album.facts", captions=found.captions, size=t.size(found.bytes))))
    if found.full:
        blocks.append(Paragraph(full(t), Tone.WARNING))
    blocks.append(Paragraph(t("album.how"), Tone.MUTED))
    rows = (_done(t, keypad, person_id, found.id),)
    return Card(t("album.card", n=found.pictures), tuple(blocks), rows, rings=False)


def full(t: Translator) -> str:
    """That there is no more room."""
    return t("album.full", images=MAX_IMAGES, megabytes=MAX_BYTES // 1_000_000)


def open_buttons(
    t: Translator, keypad: Keypad, person_id: int, album_id: int, faulty: Sequence[str]
) -> tuple[tuple[Button, ...], ...]:
    """What can be done with a set that is not right yet. ``faulty``: names of the pictures that stop a training."""
    rows = [_done(t, keypad, person_id, album_id)]
    if faulty:
        label = t("button.leave_pictures", n=len(faulty))
        leave = keypad.press(label, "album.leave_out", person_id=person_id, album=album_id, names=list(faulty))
        rows.insert(0, (leave,))
    return tuple(rows)


def discarded(t: Translator) -> Card:
    """After Discard."""
    return Card(blocks=(Paragraph(t("album.discarded"), Tone.MUTED),), rings=False)


def _done(t: Translator, keypad: Keypad, person_id: int, album_id: int) -> tuple[Button, ...]:
    # Not one-time buttons: a set that is not right yet is done again, and the same press means the same token.
    return (
        keypad.press(
            t("button.album_done"), "album.done", style=ButtonStyle.PRIMARY, person_id=person_id, album=album_id
        ),
        keypad.press(
            t("button.album_discard"), "album.discard", style=ButtonStyle.DANGER, person_id=person_id, album=album_id
        ),
    )
