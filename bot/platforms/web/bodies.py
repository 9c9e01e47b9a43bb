"""Content as JSON: what is stored in the log and sent to the page. Plain data, no markup."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bot.chat.content import (
    Answer,
    AnswerState,
    Attachment,
    AttachmentKind,
    Bar,
    Block,
    Button,
    Card,
    Chart,
    Code,
    Fields,
    Items,
    Paragraph,
)

Body = dict[str, object]

# Types that a browser shows as a picture and never runs; anything else is only offered for download.
PICTURE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})


def clean(text: str) -> str:
    """Text that JSON and every database can hold: without NUL, lone surrogates replaced."""
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def card_body(card: Card) -> Body:
    """A card without its attachments."""
    return {
        "kind": "card",
        "title": clean(card.title),
        "tone": card.tone.value,
        "rings": card.rings,
        "blocks": [_block(block) for block in card.blocks],
        "buttons": _buttons(card.buttons),
    }


def answer_body(answer: Answer) -> Body:
    """One page of an answer; the text stays Markdown source."""
    body: Body = {
        "kind": "answer",
        "text": clean(answer.text),
        "state": answer.state.value,
        "note": clean(answer.note),
        "buttons": _buttons(answer.buttons),
    }
    if answer.thought:
        body["thought"] = clean(answer.thought)
    return body


def is_preview(body: Mapping[str, object]) -> bool:
    """Whether this is an answer that is still being made."""
    return body.get("kind") == "answer" and body.get("state") != AnswerState.DONE.value


def text_body(text: str, client: str) -> Body:
    """What a person wrote; ``client`` is the page's own id of it."""
    return {"kind": "text", "text": text, "client": client}


def file_body(name: str, size: int, handle: str, client: str) -> Body:
    """A file that a person sent, ``size`` in bytes."""
    return {"kind": "file", "name": name, "size": size, "handle": handle, "client": client}


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """An attachment whose bytes are kept under ``digest``; ``size`` in bytes.

    ``pixels`` is a picture's width and height where they are known, so that the page can keep its place free.
    """

    digest: str
    name: str
    media_type: str
    kind: AttachmentKind
    alt: str
    size: int
    pixels: tuple[int, int] | None = None

    @classmethod
    def of(cls, attachment: Attachment, digest: str) -> "StoredAttachment":
        """A picture of a type that is not safe to show becomes a document."""
        shown = attachment.kind is AttachmentKind.PICTURE and attachment.media_type in PICTURE_TYPES
        return cls(
            digest=digest,
            name=clean(attachment.name),
            media_type=attachment.media_type,
            kind=AttachmentKind.PICTURE if shown else AttachmentKind.DOCUMENT,
            alt=clean(attachment.alt),
            size=len(attachment.data),
            pixels=_pixels(attachment.data),
        )

    def body(self) -> Body:
        """As JSON."""
        return {
            "digest": self.digest,
            "name": self.name,
            "media_type": self.media_type,
            "kind": self.kind.value,
            "alt": self.alt,
            "size": self.size,
            "pixels": list(self.pixels) if self.pixels else None,
        }


def attachment_in(body: Mapping[str, object], digest: str) -> StoredAttachment | None:
    """The attachment of a stored message with this digest, if it has one."""
    stored = body.get("attachments")
    if not isinstance(stored, list):
        return None
    for item in stored:
        if item["digest"] == digest:
            return StoredAttachment(**{**item, "kind": AttachmentKind(item["kind"])})
    return None


def _pixels(data: bytes) -> tuple[int, int] | None:
    # The fixed start of every PNG, which is what our own pictures are.
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if width and height else None


def _block(block: Block) -> Body:
    match block:
        case Paragraph(text, tone):
            return {"kind": "paragraph", "text": clean(text), "tone": tone.value}
        case Fields(rows):
            return {"kind": "fields", "rows": [[clean(name), clean(value)] for name, value in rows]}
        case Items(items):
            return {"kind": "items", "items": [clean(item) for item in items]}
        case Code(text):
            return {"kind": "code", "text": clean(text)}
        case Bar(share, caption):
            return {"kind": "bar", "share": share, "caption": clean(caption)}
        case Chart(points, caption):
            return {"kind": "chart", "points": [list(point) for point in points], "caption": clean(caption)}


def _buttons(rows: tuple[tuple[Button, ...], ...]) -> list[list[Body]]:
    return [[_button(button) for button in row] for row in rows if row]


def _button(button: Button) -> Body:
    body: Body = {"label": clean(button.label), "style": button.style.value}
    if button.copy:
        body["copy"] = clean(button.copy)
    else:
        body["token"] = button.token
    return body
