"""What the Bot API refuses about texts, entities and keyboards, with its own words."""

import json
import struct
from collections.abc import Mapping
from typing import Any

MOST_TEXT = 4096
MOST_CAPTION = 1024
MOST_CALLBACK_BYTES = 64
MOST_COPY = 256
MOST_BUTTONS = 100
MOST_IN_ROW = 8
MOST_PHOTO = 10 << 20
MOST_DOCUMENT = 50 << 20
MOST_DOWNLOAD = 20 << 20
MOST_LOCAL = 2000 << 20

ENTITY_TYPES = frozenset(
    {
        "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold", "italic", "underline",
        "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre", "text_link", "text_mention",
        "custom_emoji",
    }
)  # fmt: skip
CODE = frozenset({"pre", "code"})
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
SPLITTABLE = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
STYLES = frozenset({"danger", "success", "primary"})
ACTIONS_OF_BUTTONS = frozenset({"url", "callback_data", "copy_text", "switch_inline_query"})
KNOWN_OF_BUTTONS = ACTIONS_OF_BUTTONS | {"text", "style"}


class ApiError(Exception):
    """An answer with ``ok`` false."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(description: str) -> ApiError:
    """A 400."""
    return ApiError(400, f"Bad Request: {description}")


def units(text: str) -> list[int]:
    """The text as UTF-16 units."""
    raw = text.encode("utf-16-le")
    return list(struct.unpack(f"<{len(raw) // 2}H", raw))


def parsed(raw: str, name: str) -> Any:
    """A parameter that has to be JSON."""
    try:
        return json.loads(raw)
    except ValueError as error:
        raise bad(f"can't parse {name}: not JSON") from error


def checked_text(
    text: str, entities: list[Mapping[str, Any]], most: int, *, may_be_empty: bool = False
) -> tuple[str, list[Mapping[str, Any]]]:
    """The text as it is shown: trimmed, its entities moved along and capped at a hundred."""
    everything = units(text)
    for entity in entities:
        _check_entity(entity, everything)
    _check_nesting(entities)
    shown = text.strip()
    shift = len(units(text[: len(text) - len(text.lstrip())]))
    if most == MOST_TEXT and not shown and not may_be_empty:
        raise bad("message text is empty")
    if len(units(shown)) > most:
        raise bad("message is too long" if most == MOST_TEXT else "message caption is too long")
    kept = [{**entity, "offset": entity["offset"] - shift} for entity in entities[:100]]
    return shown, [entity for entity in kept if entity["offset"] >= 0]


def _check_entity(entity: Mapping[str, Any], text: list[int]) -> None:
    kind, offset, length = entity.get("type"), entity.get("offset"), entity.get("length")
    if kind not in ENTITY_TYPES:
        raise bad(f"can't parse entities: unsupported entity type {kind}")
    if not isinstance(offset, int) or not isinstance(length, int):
        raise bad("can't parse entities: offset and length must be numbers")
    end = offset + length
    begins = f"entity beginning at UTF-16 offset {offset}"
    if offset < 0:
        raise bad(f"receive an entity with incorrect offset {offset}")
    if length <= 0:
        raise bad(f"receive an entity with incorrect length {length}")
    if offset >= len(text):
        raise bad(f"entity begins after the end of the text at UTF-16 offset {offset}")
    if end > len(text):
        raise bad(f"{begins} ends after the end of the text at UTF-16 offset {end}")
    if _within_pair(text, offset):
        raise bad(f"entity begins in a middle of a UTF-16 symbol at byte offset {offset}")
    if _within_pair(text, end):
        raise bad(
            f"entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol at byte offset {end}"
        )
    if kind == "text_link" and not entity.get("url"):
        raise bad("can't parse entities: text_link without url")


def _within_pair(text: list[int], position: int) -> bool:
    return position < len(text) and 0xDC00 <= text[position] <= 0xDFFF


def _check_nesting(entities: list[Mapping[str, Any]]) -> None:
    """Stricter than Telegram, which drops without a word what may not be nested: that is a mistake of the bot's.

    Bold, italic, underlined, struck out and spoilers may cross everything but code. Code may only be in a quote. Of
    quotes, and of all else (links, mentions), none may be in another or cross it.
    """
    spans = sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))
    for index, outer in enumerate(spans):
        end = outer["offset"] + outer["length"]
        for inner in spans[index + 1 :]:
            if inner["offset"] >= end:
                break
            within = inner["offset"] + inner["length"] <= end
            if not _may_overlap(outer["type"], inner["type"], within=within):
                raise bad(f"can't parse entities: {inner['type']} at {inner['offset']} overlaps {outer['type']}")


def _may_overlap(outer: str, inner: str, *, within: bool) -> bool:
    kinds = {outer, inner}
    if kinds & CODE:
        return outer in QUOTES and within
    if kinds & SPLITTABLE:
        return True
    return outer in QUOTES and inner not in QUOTES and within


def checked_keyboard(markup: Any) -> list[list[dict[str, Any]]]:
    """The rows of an inline keyboard."""
    if not isinstance(markup, dict) or set(markup) != {"inline_keyboard"}:
        raise bad("object expected as reply markup")
    rows: list[list[dict[str, Any]]] = markup["inline_keyboard"]
    for row in rows:
        if len(row) > MOST_IN_ROW:
            raise bad("BUTTON_TOO_MANY_IN_ROW")
        for button in row:
            _check_button(button)
    if sum(len(row) for row in rows) > MOST_BUTTONS:
        raise bad("reply markup is too long")
    return [row for row in rows if row]


def _check_button(button: Mapping[str, Any]) -> None:
    if not button.get("text"):
        raise bad("can't parse inline keyboard button: field text is empty")
    unknown = set(button) - KNOWN_OF_BUTTONS
    if unknown:
        raise bad(f"can't parse inline keyboard button: unknown field {sorted(unknown)[0]}")
    if len(ACTIONS_OF_BUTTONS & set(button)) != 1:
        raise bad("can't parse inline keyboard button: text buttons are unallowed in the inline keyboard")
    if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= MOST_CALLBACK_BYTES:
        raise bad("BUTTON_DATA_INVALID")
    if "copy_text" in button and not 1 <= len(button["copy_text"]["text"]) <= MOST_COPY:
        raise bad("BUTTON_COPY_TEXT_INVALID")
    if "style" in button and button["style"] not in STYLES:
        raise bad("BUTTON_STYLE_INVALID")


def check_photo(data: bytes) -> None:
    """A photo has to be a picture of a size that Telegram scales."""
    if len(data) > MOST_PHOTO:
        raise bad(f"file of size {len(data)} bytes is too big for a photo; the maximum size is {MOST_PHOTO} bytes")
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")):
        raise bad("IMAGE_PROCESS_FAILED")
    if data.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", data[16:24])
        if width + height > 10_000 or max(width, height) > 20 * min(width, height):
            raise bad("PHOTO_INVALID_DIMENSIONS")
