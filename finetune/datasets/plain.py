"""The plain rows of a block, told apart from the others without parsing any: good beyond doubt, and canonical.

A row is plain when its text is exactly that of :class:`Style` around contents about which there is nothing to say.
Everything is looked for in the whole block at once: where the quotes, escapes and line ends stand, whether the text
between two contents is what has to be there, and which bytes speak against a row. Whatever speaks against a row only
makes it not plain; it is then judged by itself, so this may say "plain" too rarely but never wrongly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.style import Style, text_of
from finetune.datasets.utf8 import Bytes, Flags, Words, broken, continuations

Places = NDArray[np.intp]

_QUOTE, _BACKSLASH, _LINE_END = 0x22, 0x5C, 0x0A
# Escapes that orjson writes itself. Others (\/, \u) may be spelled otherwise in the canonical form.
_ESCAPES = np.isin(np.arange(256), list(b'"\\nrtbf'))
# Quotes, escapes and control characters are rarer than this in a text; a block full of them would cost memory.
_DENSEST = 3
_QUOTES_OF_ROW, _QUOTES_OF_MESSAGE = 2, 8


def _words(*marks: bytes) -> NDArray[np.uint32]:
    return np.array([int.from_bytes(mark, "little") for mark in marks], np.uint32)


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
    block = np.frombuffer(data, np.uint8)
    marks = _marks(data, block)
    if len(marks) * _DENSEST > len(block):
        none = np.empty(0, np.intp)
        return Plain(none, none, none, none, none, none, none, none, none, None)
    kinds = block[marks]
    ends = marks[kinds == _LINE_END]
    against = []
    if int(np.count_nonzero(kinds < 0x20)) != len(ends):
        against.append(marks[(kinds < 0x20) & (kinds != _LINE_END)])
    escapes, unusual, escaped_quotes = _escapes(block, marks, kinds)
    against.append(unusual)
    is_quote = kinds == _QUOTE
    is_quote[escaped_quotes] = False
    quotes = marks[is_quote]

    counts = None
    if not data.isascii():
        continuing = continuations(block)
        counts = _Counts(continuing)
        against += broken(data, block, continuing)
    rows = _Rows(data, block, quotes, ends, style)
    plain = rows.plain
    against += _suspicious(data, block, rows.messages + 2 * len(ends) if plain.all() else -1)
    for places in against:
        if len(places):
            plain[np.searchsorted(ends, places)] = False
    return rows.result(counts, escapes)


def _marks(data: bytes, block: Bytes) -> Places:
    """Where quotes, backslashes and control characters stand."""
    # One bit turned, the quote follows on the control characters.
    found = (block ^ 2) <= _QUOTE ^ 2
    if b"\\" in data:
        found |= block == _BACKSLASH
    return _places(found)


def _places(flags: Flags) -> Places:
    """Where flags are set: faster than numpy's own when they are few and stand together."""
    whole = len(flags) // 8 * 8
    eights = flags[:whole].view("<u8")
    at = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights[at].view(np.bool_))
    return np.concatenate(((at << 3)[inside >> 3] + (inside & 7), np.flatnonzero(flags[whole:]) + whole))


def _escapes(block: Bytes, marks: Places, kinds: Bytes) -> tuple[Places, Places, Places]:
    """Where escapes begin; those of them that are unusual; and which of the marks are quotes that are escaped."""
    at = np.flatnonzero(kinds == _BACKSLASH)
    places = marks[at]
    follows = places[1:] == places[:-1] + 1
    if follows.any():
        # In a run of backslashes every second one is escaped by that before it.
        order = np.arange(len(places))
        begins = np.zeros(len(places), np.intp)
        begins[1:] = np.where(follows, 0, order[1:])
        opens = (order - np.maximum.accumulate(begins)) & 1 == 0
        at, places = at[opens], places[opens]
    escaped = block[places + 1]  # the last byte of a block is a line end, never a backslash
    # An escaped quote is the next mark after its backslash.
    return places, places[~_ESCAPES[escaped]], at[escaped == _QUOTE] + 1


def _suspicious(data: bytes, block: Bytes, braces: int) -> list[Places]:
    """Where :mod:`judge` might find a special token or a placeholder.

    ``braces``: how many opening braces and brackets there are outside of contents, if that is known.
    """
    found: list[Places] = []
    # No mark within a content begins in a block's last bytes, which close its last row.
    words = np.ndarray((max(0, len(block) - 3),), "<u4", data, strides=(1,))
    if b"<" in data:
        at = np.flatnonzero(block[: len(words)] == ord("<"))
        word = words[at]
        found.append(
            at[np.isin(word, _SPECIAL) | np.isin(word & 0xFFFFFF, _SPECIAL_3) | np.isin(word & 0xFFFF, _SPECIAL_2)]
        )
    # One bit is all that tells the bracket from the brace.
    opening = block | 0x20 == ord("{")
    if int(np.count_nonzero(opening)) != braces:
        at = np.flatnonzero(opening[: len(words)])
        word = words[at]
        found.append(at[(word & 0xFFFF == _PLACEHOLDER) | np.isin(word, _INSTRUCTION)])
    return [places for places in found if len(places)]


class _Counts:
    """How many flags are set before a place."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._before = np.zeros(len(words) + 1, np.int64)
        np.cumsum(np.bitwise_count(words), out=self._before[1:])

    def before(self, places: Places) -> Places:
        word, bit = places >> 6, (places & 63).astype(np.uint64)
        part = self._words[word] & ((np.uint64(1) << bit) - np.uint64(1))
        before: Places = self._before[word] + np.bitwise_count(part)
        return before


class _Rows:
    """The structure of all rows at once, by the quotes that open and close their strings."""

    def __init__(self, data: bytes, block: Bytes, quotes: Places, ends: Places, style: Style) -> None:
        begins, first = np.zeros((2, len(ends)), np.intp)
        begins[1:] = ends[:-1] + 1
        self._data, self._block, self._quotes = data, block, quotes
        self._begins, self._ends = begins, ends
        # A row's quotes: the number of the first, and how many.
        before = np.searchsorted(quotes, ends)
        first[1:] = before[:-1]
        count = before - first
        plain = (count & 7 == _QUOTES_OF_ROW) & (count >= _QUOTES_OF_ROW + 2 * _QUOTES_OF_MESSAGE)
        if not plain.all():
            first, count, begins, ends = first[plain], count[plain], begins[plain], ends[plain]
        sizes = count >> 3
        # By the first role's letter: "system" or "user", which is checked in full below.
        prompted = block[quotes[first + 4] + 1] == ord("s")
        said = sizes - prompted
        good = (said & 1 == 0) & (said >= 2)
        good[prompted] &= self._stands(begins[prompted], style.opening("system"))
        good[~prompted] &= self._stands(begins[~prompted], style.opening("user"))
        last = quotes[first + count - 1]
        good &= (last == ends - len(style.closing)) & self._stands(last, style.closing)
        # The other messages of all rows.
        row, number = _numbered(sizes - 1)
        before = first[row] + number * _QUOTES_OF_MESSAGE + (_QUOTES_OF_ROW + _QUOTES_OF_MESSAGE - 1)
        closing = quotes[before]
        right = np.empty(len(row), np.bool_)
        asks = (number + prompted[row]) & 1 == 1
        right[asks] = self._stands(closing[asks], style.turning("user"))
        right[~asks] = self._stands(closing[~asks], style.turning("assistant"))
        good[row[~right]] = False

        self._line = np.flatnonzero(plain)
        self._first, self._sizes, self._prompted = first, sizes, prompted
        self.messages = int(sizes.sum())
        plain[self._line] = good
        self.plain = plain

    def _stands(self, places: Places, text: bytes) -> Flags:
        """Whether a text stands at places of the block."""
        found: Flags = texts_at(self._data, places, len(text)) == text
        return found

    def _are_blank(self, begin: Places, end: Places) -> Flags:
        """Whether contents are empty or white."""
        block = self._block
        blank: Flags = begin == end
        maybe = _MAY_BE_SPACE[block[begin]] & _MAY_END_SPACE[block[end - 1]] & ~blank
        for at in np.flatnonzero(maybe).tolist():
            blank[at] = text_of(self._data[begin[at] : end[at]]).isspace()
        return blank

    def result(self, counts: "_Counts | None", escapes: Places) -> Plain:
        """What is known of the rows that stayed plain, after a look at their contents."""
        quotes = self._quotes
        rows = np.flatnonzero(self.plain[self._line])
        row, number = _numbered(self._sizes[rows])
        opened = self._first[rows][row] + (number + 1) * _QUOTES_OF_MESSAGE
        begin, end = quotes[opened] + 1, quotes[opened + 1]
        lengths = np.bincount(row, end - begin, len(rows)).astype(np.intp)
        blank = self._are_blank(begin, end)
        if blank.any():
            kept = np.ones(len(rows), np.bool_)
            kept[row[blank]] = False
            rows, lengths = rows[kept], lengths[kept]
        line, first, sizes, prompted = (part[rows] for part in (self._line, self._first, self._sizes, self._prompted))
        begin, end = self._begins[line], self._ends[line]
        # All that is escaped or continues a character stands in contents.
        characters = lengths
        if len(escapes):
            characters = characters - np.diff(np.searchsorted(escapes, self._ends), prepend=0)[line]
        if counts is not None:
            characters = characters - np.diff(counts.before(self._ends), prepend=0)[line]
        last = first + sizes * _QUOTES_OF_MESSAGE
        return Plain(
            line=line,
            begin=begin,
            end=end,
            prompt=np.where(prompted, quotes[first + 8] + 1, 0),
            prompt_end=np.where(prompted, quotes[first + 9], 0),
            answer=quotes[last] + 1,
            answer_end=quotes[last + 1],
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
