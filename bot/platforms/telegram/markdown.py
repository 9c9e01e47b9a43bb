"""A model's Markdown as text with entities. Whatever happens, something is shown, and nothing is cut."""

import logging
from bisect import bisect_left, bisect_right
from functools import lru_cache

from telegram import MessageEntity
from telegram.constants import MessageEntityType as Kind
from telegramify_markdown import RenderConfig, convert, utf16_len

from bot.chat.content import Answer, AnswerState
from bot.chat.platform import Extent
from bot.platforms.telegram.guarded import guarded, restored
from bot.platforms.telegram.styled import (
    ELLIPSIS,
    MOST_ENTITIES,
    MOST_UNITS,
    Builder,
    Styled,
    clean,
    clipped,
    styled,
    visible,
)

log = logging.getLogger(__name__)

# Less of a thought than this says nothing.
_LEAST_THOUGHT = 40
_LINE_BREAK = "\n".encode("utf-16-le")
_QUOTES = (Kind.BLOCKQUOTE, Kind.EXPANDABLE_BLOCKQUOTE)


def _configured() -> RenderConfig:
    config = RenderConfig.isolated()
    symbol = config.markdown_symbol
    symbol.heading_level_1 = symbol.heading_level_2 = symbol.heading_level_3 = symbol.heading_level_4 = ""
    symbol.task_completed, symbol.task_uncompleted = "☑", "☐"
    symbol.unordered_list_item = "•"
    symbol.horizontal_rule = "———"
    return config


_CONFIG = _configured()


def render_answer(answer: Answer) -> tuple[Styled, Styled]:
    """One page, formatted; and the same as plain source, for when Telegram refuses the first.

    A page of at most 4096 UTF-16 units is always shown whole: where formatting makes it longer, both are the source.
    What the model thought before is folded away above it, as much of it as there is room for.
    """
    note = clean(answer.note).strip()
    if answer.state is AnswerState.WAITING or not visible(answer.text):
        waiting = _with_note(Styled(ELLIPSIS), note, " ")
        return _after_thought(answer.thought, waiting), Styled(waiting.text)
    source = styled(clean(answer.text))
    plain = _with_note(source, note, "\n\n")
    formatted = _with_note(_formatted(answer.text), note, "\n\n")
    if formatted.units > MOST_UNITS or not visible(formatted.text):
        formatted = plain
    return _after_thought(answer.thought, formatted), Styled(plain.text)


def _after_thought(thought: str, body: Styled) -> Styled:
    whole = clean(thought).strip()
    room = MOST_UNITS - body.units - 1
    # A message that has all its marks cannot fold a thought away, and an unfolded one would stand before the answer.
    if not visible(whole) or room < _LEAST_THOUGHT or len(body.entities) >= MOST_ENTITIES:
        return body
    shown = whole if utf16_len(whole) <= room else clipped(whole, room - 1).rstrip() + ELLIPSIS
    builder = Builder()
    builder.add(shown, Kind.EXPANDABLE_BLOCKQUOTE)
    builder.add("\n")
    builder.include(body)
    return builder.build()


def measure(source: str) -> Extent:
    """The room that a page takes: units of the longer of its two forms, and its marks before any are left out."""
    text, entities = _converted(clean(source))
    return Extent(max(utf16_len(text.strip()), utf16_len(source.strip())), len(entities))


def _formatted(source: str) -> Styled:
    return styled(*_converted(clean(source)))


def _converted(source: str) -> tuple[str, tuple[MessageEntity, ...]]:
    try:
        return _marked(source)
    except Exception:
        log.exception("a page could not be formatted and is shown as it was written")
        return source, ()


# A page is measured before it is shown, and both have to convert it.
@lru_cache(maxsize=512)
def _marked(source: str) -> tuple[str, tuple[MessageEntity, ...]]:
    text, marks = convert(guarded(source), config=_CONFIG)
    entities = [
        MessageEntity(mark.type, mark.offset, mark.length, url=restored(mark.url), language=restored(mark.language))
        for mark in marks
    ]
    return _on_lines_of_their_own(restored(text) or "", _untangled(entities))


def _on_lines_of_their_own(text: str, entities: list[MessageEntity]) -> tuple[str, tuple[MessageEntity, ...]]:
    """Blocks begin a line: the converter glues the first one of an item to the item's words."""
    data = text.encode("utf-16-le")
    blocks = {entity.offset for entity in entities if entity.type in (Kind.PRE, *_QUOTES)}
    breaks = sorted(at for at in blocks if at and data[2 * at - 2 : 2 * at] != _LINE_BREAK)
    for at in reversed(breaks):
        data = data[: 2 * at] + _LINE_BREAK + data[2 * at :]
    moved = [
        _with_span(
            entity,
            entity.offset + bisect_right(breaks, entity.offset),
            entity.offset + entity.length + bisect_left(breaks, entity.offset + entity.length),
        )
        for entity in entities
    ]
    return (data.decode("utf-16-le"), tuple(moved)) if breaks else (text, tuple(entities))


def _with_span(entity: MessageEntity, begin: int, end: int) -> MessageEntity:
    return MessageEntity(entity.type, begin, end - begin, url=entity.url, language=entity.language)


def _untangled(entities: list[MessageEntity]) -> list[MessageEntity]:
    # Code may not be inside other marks, nor they in it: what overlaps it goes. Nor may a quote be in a quote; Telegram
    # would choose which of the two to drop. Quotes of quotes come as the same range twice.
    entities = list(dict.fromkeys(entities))
    code = [entity for entity in entities if entity.type in (Kind.PRE, Kind.CODE)]
    quotes = sorted((entity for entity in entities if entity.type in _QUOTES), key=lambda entity: -entity.length)
    outer: list[MessageEntity] = []
    for quote in quotes:
        if not any(_overlap(quote, other) for other in outer):
            outer.append(quote)
    return [
        entity
        for entity in entities
        if entity in code
        or (entity in outer if entity.type in _QUOTES else not any(_overlap(entity, other) for other in code))
    ]


def _overlap(one: MessageEntity, other: MessageEntity) -> bool:
    return one.offset < other.offset + other.length and other.offset < one.offset + one.length


def _with_note(body: Styled, note: str, gap: str) -> Styled:
    # The model's words come first: a note is shortened before a page is.
    room = MOST_UNITS - body.units - len(gap)
    shown = note if len(note.encode("utf-16-le")) // 2 <= room else clipped(note, room - 1) + ELLIPSIS
    if not note or room < 2:
        return body
    builder = Builder()
    builder.include(body)
    builder.add(gap)
    builder.add(shown, Kind.ITALIC)
    return builder.build()
