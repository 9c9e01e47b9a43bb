"""Cuts a growing Markdown text into pages that stand by themselves.

A page ends at a paragraph, else a line, else a sentence, else a word, else between two characters, never inside a
surrogate pair. A code fence that is open at the cut is closed there and opened again, with its language, on the next
page. Pages that are full never change when the text grows: what was shown stays as it was shown.
"""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[。！？!?；;…]+[”’\"')）】]*\s*|\.\s+"),
    re.compile(r"\s+|[，、,]"),
)


def units(text: str) -> int:
    """Length in UTF-16 units, in which platforms count."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


@dataclass(frozen=True, slots=True)
class Cut:
    """A full page, and how the rest goes on."""

    page: str
    rest: str


def open_fence(text: str) -> tuple[str, str] | None:
    """The fence (marker, language) that is open at the end of a text."""
    fence: tuple[str, str] | None = None
    for match in _FENCE.finditer(text):
        marker, info = match.group(1), match.group(2).strip()
        if fence is None:
            fence = (marker, info)
        elif marker[0] == fence[0][0] and len(marker) >= len(fence[0]) and not info:
            fence = None
    return fence


def balanced(text: str) -> str:
    """The text with an open code fence closed, so that a prefix of an answer can be shown."""
    fence = open_fence(text)
    if fence is None:
        return text
    return f"{text.rstrip(chr(10))}\n{fence[0]}"


def cut(text: str, limit: int) -> Cut | None:
    """The first full page of a text longer than ``limit`` UTF-16 units; None while it fits."""
    if units(balanced(text)) <= limit:
        return None
    # Room for the marker that closes a fence at the cut; a fence of ours is at most this long.
    room = limit - 8
    prefix = _prefix(text, room)
    position = _break_position(prefix, room)
    page, rest = text[:position], text[position:]
    fence = open_fence(page)
    if fence is not None:
        page = balanced(page)
        rest = f"{fence[0]}{fence[1]}\n{rest.lstrip(chr(10))}"
    else:
        page, rest = page.rstrip(), rest.lstrip()
    return Cut(page, rest)


def _prefix(text: str, limit: int) -> str:
    if units(text) <= limit:
        return text
    count = 0
    for index, character in enumerate(text):
        count += 2 if ord(character) > 0xFFFF else 1
        if count > limit:
            return text[:index]
    return text


def _break_position(prefix: str, room: int) -> int:
    # A break in the first half would leave a page nearly empty: the next kind of break is looked for instead.
    least = len(prefix) // 2
    fence = open_fence(prefix)
    for index, pattern in enumerate(_BREAKS):
        if fence is not None and index > 1:
            break
        ends = [match.end() for match in pattern.finditer(prefix) if match.end() > least]
        if ends:
            return ends[-1]
    position = len(prefix)
    # Keep what is joined together: combining marks, variation selectors and zero-width joiners follow their base.
    while position > least and (_joins(prefix[position - 1]) or (position < len(prefix) and _joins(prefix[position]))):
        position -= 1
    return position or room


def _joins(character: str) -> bool:
    return character in "\u200d\ufe0f\u20e3" or 0x1F3FB <= ord(character) <= 0x1F3FF or 0x300 <= ord(character) <= 0x36F
