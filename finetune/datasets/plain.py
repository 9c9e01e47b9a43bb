"""The plain rows of a block, told apart from the others without parsing any: good beyond doubt, and canonical.

A row is plain when its text is exactly that of :class:`Style` around contents about which there is nothing to say.
Everything is looked for in the whole block at once: where messages, escapes and line ends begin, how many quotes there
are, whether the text between two contents is what has to be there, and which bytes speak against a row. Whatever speaks
against a row only makes it not plain; it is then judged by itself, so this may say "plain" too rarely, never wrongly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.bits import (
    Bytes,
    Counts,
    Flags,
    Places,
    Planes,
    TooDense,
    Words,
    are_set,
    cleared,
    earlier,
    later,
    places_of,
)
from finetune.datasets.style import Style, text_of
from finetune.datasets.utf8 import broken

_SPEAKERS = ("user", "assistant", "system")

_QUOTE, _BACKSLASH, _LINE_END = 0x22, 0x5C, 0x0A
# Escapes that orjson writes itself. Others (\/, \u) may be spelled otherwise in the canonical form.
_ESCAPES = np.isin(np.arange(256), list(b'"\\nrtbf'))
# Escapes, brackets and control characters are rarer than this in a text; a block full of them would cost memory.
_DENSEST = 3
_QUOTES_OF_ROW, _QUOTES_OF_MESSAGE = 2, 8


def _words(*marks: bytes) -> NDArray[np.uint32]:
    return np.array([int.from_bytes(mark, "little") for mark in marks], np.uint32)


_NONE = np.empty(0, np.intp)
# The first bytes of what a tokenizer may take for a special token, and of placeholders (judge.py has them in full).
_SPECIAL = _words(b"</s>", b"<<SY", b"<</S", b"<bos", b"<eos", b"<pad", b"<sta", b"<end")
_SPECIAL_3 = _words(b"<s>")
_SPECIAL_2 = _words(b"<|", "<｜".encode()[:2])
_INSTRUCTION = _words(b"[INS", b"[/IN")
_PLACEHOLDER = int.from_bytes(b"{{", "little")
# First bytes of characters that are white space, and of escapes.
_MAY_BE_SPACE = np.isin(np.arange(256), list(b" \\\xc2\xe1\xe2\xe3"))
_MAY_END_SPACE = np.isin(np.arange(256), [*b" nrtf", *range(0x80, 0xC0)])


@dataclass(slots=True)
class Plain:
    """The plain rows of a block in their order; all arrays have an element a row."""

    line: Places  # 0-based
    begin: Places
    end: Places  # of the text, before the line end
    prompt: Places  # where the system prompt's text begins and ends; an empty one at 0 when there is none
    prompt_end: Places
    answer: Places  # where the last content begins and ends
    answer_end: Places
    turns: Places
    characters: Places
    line_ends: Places | None  # of all lines; None when they were not looked for


def scan(data: bytes, style: Style) -> Plain:
    """Look through a block of whole lines, each with its line end."""
    try:
        return _scanned(data, style)
    except TooDense:
        return Plain(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, None)


def _scanned(data: bytes, style: Style) -> Plain:
    planes = Planes(data)
    block, most = planes.block, len(data) // _DENSEST
    controls = places_of(planes.are_below(0x20), most)
    is_end = block[controls] == _LINE_END
    ends = controls[is_end]
    against = [controls[~is_end]]
    quotes = planes.are(_QUOTE)
    before_quotes = earlier(quotes, 1)
    # Bytes that are no character of their own.
    added: Words | None = None
    if b"\\" in data:
        added, unusual = _escapes(block, planes.are(_BACKSLASH), before_quotes, most)
        against.append(unusual)
        quotes &= ~later(added, 1)
        before_quotes &= ~added
    if not data.isascii():
        continuing = planes.continue_characters()
        against += broken(data, planes, continuing, most)
        added = continuing if added is None else added | continuing
    # One bit is all that tells the bracket from the brace.
    opening = planes.are_but_for(0x20, ord("{"))
    rows = _Rows(data, block, quotes, places_of(opening & before_quotes, most), ends, style)
    others = places_of(opening & ~before_quotes, most)
    # A good row has one, in its text; where there are no more, none is in a content.
    against += _suspicious(data, block, _NONE if len(others) == len(ends) and rows.plain.all() else others)
    for places in against:
        if len(places):
            rows.plain[np.searchsorted(ends, places)] = False
    return rows.result(added)


def _escapes(block: Bytes, backslashes: Words, before_quotes: Words, most: int) -> tuple[Words, Places]:
    """Which backslashes begin an escape, and where those that begin an unusual one are."""
    # The last byte of a block is a line end, never a backslash. Those before quotes need no second look.
    places = places_of(backslashes & ~before_quotes, most)
    escaped = block[places + 1]
    if (escaped == _BACKSLASH).any():
        # In a run of backslashes every second one is escaped by that before it.
        places = places_of(backslashes, most)
        order = np.arange(len(places))
        begins = np.zeros(len(places), np.intp)
        begins[1:] = np.where(places[1:] == places[:-1] + 1, 0, order[1:])
        opens = (order - np.maximum.accumulate(begins)) & 1 == 0
        backslashes = cleared(backslashes, places[~opens])
        places = places[opens]
        escaped = block[places + 1]
    return backslashes, places[~_ESCAPES[escaped]]


def _suspicious(data: bytes, block: Bytes, brackets: Places) -> list[Places]:
    """Where :mod:`judge` might find a special token or a placeholder.

    ``brackets``: where brackets and braces open before anything but a quote.
    """
    # No mark within a content begins in a block's last bytes, which close its last row.
    words = np.ndarray((max(0, len(block) - 3),), "<u4", data, strides=(1,))
    found = []
    if len(brackets):
        at = brackets[: np.searchsorted(brackets, len(words))]
        word = words[at]
        found.append(at[(word & 0xFFFF == _PLACEHOLDER) | np.isin(word, _INSTRUCTION)])
    if b"<" in data:
        at = np.flatnonzero(block[: len(words)] == ord("<"))
        word = words[at]
        found.append(
            at[np.isin(word, _SPECIAL) | np.isin(word & 0xFFFFFF, _SPECIAL_3) | np.isin(word & 0xFFFF, _SPECIAL_2)]
        )
    return found


class _Rows:
    """The structure of all rows at once, by the braces that open their objects.

    ``quotes``: those that are not escaped. ``starts``: where a brace (or a bracket) opens before one of them, which in
    a good row is at its beginning and at that of each message.
    """

    def __init__(self, data: bytes, block: Bytes, quotes: Words, starts: Places, ends: Places, style: Style) -> None:
        begins, first = np.zeros((2, len(ends)), np.intp)
        begins[1:] = ends[:-1] + 1
        self._data, self._block = data, block
        self._begins, self._ends = begins, ends
        before = np.searchsorted(starts, ends)
        first[1:] = before[:-1]
        sizes = before - first - 1
        # All of a row's quotes have their place around its contents, which is checked in full below.
        plain = (sizes >= 2) & (Counts(quotes).between(ends) == _QUOTES_OF_ROW + _QUOTES_OF_MESSAGE * sizes)
        self._line = np.flatnonzero(plain)
        if not plain.all():
            first, sizes, begins, ends = first[plain], sizes[plain], begins[plain], ends[plain]
        # By the first role's letter: "system" or "user".
        prompted = block[np.minimum(begins + len(style.head), len(block) - 1)] == ord("s")
        said = sizes - prompted
        good = (said & 1 == 0) & (said >= 2)
        good[prompted] &= self._stands(begins[prompted], style.opening("system"))
        good[~prompted] &= self._stands(begins[~prompted], style.opening("user"))
        good &= self._stands(ends - len(style.closing), style.closing)

        row, number = _numbered(sizes)
        start = starts[first[row] + 1 + number]
        turn = number - prompted[row]
        speaker = np.where(turn < 0, 2, turn & 1)
        between = len(style.between)
        self._begin = start + np.array([len(style.saying(role)) for role in _SPEAKERS])[speaker]
        self._end = np.empty(len(row), np.intp)
        self._end[:-1] = start[1:] - between
        last = np.cumsum(sizes) - 1
        self._end[last] = ends - len(style.closing)
        right = are_set(quotes, self._end)
        for number_of, role in enumerate(_SPEAKERS[:2]):
            says = np.flatnonzero((speaker == number_of) & (number > 0))
            right[says] &= self._stands(start[says] - between, style.turning(role))
        good[row[~right]] = False
        self._row, self._sizes, self._prompted = row, sizes, prompted
        self._prompt, self._prompt_end = (part[last - sizes + 1] for part in (self._begin, self._end))
        self._answer, self._answer_end = self._begin[last], self._end[last]
        plain[self._line] = good
        self.plain = plain

    def _stands(self, places: Places, text: bytes) -> Flags:
        """Whether a text stands at places of the block."""
        found: Flags = texts_at(self._data, places, len(text)) == text
        return found

    def _are_blank(self) -> Flags:
        """Whether contents are empty or white, or none: where one quote would both begin and end one."""
        block, begin, end = self._block, self._begin, self._end
        blank: Flags = begin >= end
        maybe = _MAY_BE_SPACE[block[begin]] & _MAY_END_SPACE[block[end - 1]] & ~blank
        for at in np.flatnonzero(maybe).tolist():
            blank[at] = text_of(self._data[begin[at] : end[at]]).isspace()
        return blank

    def result(self, added: Words | None) -> Plain:
        """What is known of the rows that stayed plain, after a look at their contents.

        ``added``: bytes that are no character of their own.
        """
        rows = self.plain[self._line]
        if not rows.all():
            kept = rows[self._row]
            self._row, self._begin, self._end = self._row[kept], self._begin[kept], self._end[kept]
        blank = self._are_blank()
        if blank.any():
            rows[self._row[blank]] = False
        characters = np.bincount(self._row, self._end - self._begin, len(rows)).astype(np.intp)[rows]
        line, sizes, prompted = self._line[rows], self._sizes[rows], self._prompted[rows]
        if added is not None:
            # All that is escaped or continues a character stands in contents.
            characters -= Counts(added).between(self._ends)[line]
        return Plain(
            line=line,
            begin=self._begins[line],
            end=self._ends[line],
            prompt=np.where(prompted, self._prompt[rows], 0),
            prompt_end=np.where(prompted, self._prompt_end[rows], 0),
            answer=self._answer[rows],
            answer_end=self._answer_end[rows],
            turns=(sizes - prompted) >> 1,
            characters=characters,
            line_ends=self._ends,
        )


def texts_at(data: bytes, places: Places, length: int) -> NDArray[np.bytes_]:
    """The texts of one length at places of a block; empty where it has not so much left."""
    last = len(data) - length
    if last < 0:
        return np.zeros(len(places), f"S{length}")
    texts: NDArray[np.bytes_] = np.ndarray((last + 1,), f"S{length}", data, strides=(1,))[np.minimum(places, last)]
    if len(places) and int(places.max()) > last:
        texts[places > last] = b""
    return texts


def _numbered(counts: Places) -> tuple[Places, Places]:
    """For each thing of each row: the row, and the thing's number in it."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
