"""Text with entities: Telegram's own way to say what is bold. Nothing is ever escaped, because nothing is markup."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from telegram import MessageEntity
from telegram.constants import MessageEntityType, MessageLimit
from telegramify_markdown import utf16_len

MOST_UNITS = int(MessageLimit.MAX_TEXT_LENGTH)
MOST_ENTITIES = int(MessageLimit.MESSAGE_ENTITIES)
ELLIPSIS = "…"

# What may go when there are more marks than Telegram takes: the last first.
_RANKS = (
    MessageEntityType.PRE,
    MessageEntityType.CODE,
    MessageEntityType.TEXT_LINK,
    MessageEntityType.BLOCKQUOTE,
    MessageEntityType.EXPANDABLE_BLOCKQUOTE,
    MessageEntityType.SPOILER,
    MessageEntityType.BOLD,
    MessageEntityType.ITALIC,
    MessageEntityType.STRIKETHROUGH,
    MessageEntityType.UNDERLINE,
)
_RANK = {str(kind): rank for rank, kind in enumerate(_RANKS)}


def clean(text: str) -> str:
    """Text that goes through UTF-8 and arrives as it was sent: no NUL, no carriage return, no lone surrogate."""
    whole = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def visible(text: str) -> bool:
    """Whether there is anything to see; Telegram refuses a message of blanks and invisible marks."""
    return any(unicodedata.category(character) not in {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn"} for character in text)


def clipped(text: str, units: int) -> str:
    """The longest beginning of a text within ``units`` UTF-16 units that splits no character."""
    if units <= 0:
        return ""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


@dataclass(frozen=True, slots=True)
class Styled:
    """A text and its entities (offsets in UTF-16 units). Stripped, and within what Telegram takes of entities."""

    text: str
    entities: tuple[MessageEntity, ...] = ()

    @property
    def units(self) -> int:
        """Length in UTF-16 units."""
        return utf16_len(self.text)


def styled(text: str, entities: Iterable[MessageEntity] = ()) -> Styled:
    """Strip a text, move its entities along, and keep the most important of them."""
    stripped = text.strip()
    start = utf16_len(text[: len(text) - len(text.lstrip())])
    length = utf16_len(stripped)
    kept = [moved for entity in entities if (moved := _moved(entity, start, length)) is not None]
    ranked = sorted(kept, key=lambda entity: (_RANK[str(entity.type)], entity.offset))[:MOST_ENTITIES]
    # Of two that are as long, what may hold the other comes first: a quote of nothing but code holds the code.
    return Styled(
        stripped,
        tuple(sorted(ranked, key=lambda entity: (entity.offset, -entity.length, -_RANK[str(entity.type)]))),
    )


def _moved(entity: MessageEntity, start: int, length: int) -> MessageEntity | None:
    begin, end = max(entity.offset - start, 0), min(entity.offset - start + entity.length, length)
    if end <= begin or str(entity.type) not in _RANK:
        return None
    return MessageEntity(entity.type, begin, end - begin, url=entity.url, language=entity.language)


def shortened(whole: Styled, limit: int) -> Styled:
    """As many lines as fit within ``limit`` UTF-16 units, and a mark that there was more."""
    if whole.units <= limit:
        return whole
    head = clipped(whole.text, limit - 2)
    lines = head[: head.rfind("\n")] if "\n" in head else head
    return styled(f"{lines.rstrip()}\n{ELLIPSIS}", whole.entities)


class Builder:
    """Puts a styled text together from pieces."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._units = 0
        self._entities: list[MessageEntity] = []

    def add(self, text: str, *kinds: str) -> None:
        """Append a piece; ``kinds`` are entity types that cover all of it."""
        piece = clean(text)
        length = utf16_len(piece)
        if length:
            self._entities.extend(MessageEntity(kind, self._units, length) for kind in kinds)
        self._parts.append(piece)
        self._units += length

    def include(self, piece: Styled) -> None:
        """Append a styled text."""
        self._entities.extend(MessageEntity.shift_entities(self._units, piece.entities))
        self._parts.append(piece.text)
        self._units += piece.units

    def build(self) -> Styled:
        """What was put together."""
        return styled("".join(self._parts), self._entities)
