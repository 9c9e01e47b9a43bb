"""The elements of one JSON array in bounded memory, each with the line where it begins."""

import re
from collections.abc import Iterable, Iterator

from finetune.datasets.findings import Problem, shown
from finetune.datasets.lines import MAX_ROW_BYTES, TOO_LONG, Row

# Possessive throughout: a row is walked once, however it is made.
_PLAIN_TEXT = rb'(?>[^"\[\]{}]+|"(?>[^"\\]+|\\.)*+")*+'
_PLAIN = re.compile(_PLAIN_TEXT, re.DOTALL)
_BRACKET = re.compile(_PLAIN_TEXT + rb"([\[\]{}])", re.DOTALL)
_STRING_REST = re.compile(rb'(?>[^"\\]+|\\.)*+', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]\s]*")
_SPACE = re.compile(rb"[ \t\r\n]*")
_QUOTED = 200  # bytes of what follows the array


class _Window:
    """The part of the text that is held: from ``start``, where the element begins, to what was read last."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._counted = 0
        self._line = 1
        self.data = b""
        self.start = 0
        self.position = 0
        self.cut = False

    def more(self) -> bool:
        """Read on; False at the end. An element past the limit loses its beginning and is marked ``cut``."""
        for chunk in self._chunks:
            if not chunk:
                continue
            if self.position - self.start > MAX_ROW_BYTES:
                self.cut = True
                self.start = self.position
            self.line_at(self.start)
            self.data = self.data[self.start :] + chunk
            self._counted = 0
            self.position -= self.start
            self.start = 0
            return True
        return False

    def line_at(self, position: int) -> int:
        """The 1-based line of a position that is not before the last one asked for."""
        self._line += self.data.count(b"\n", self._counted, position)
        self._counted = position
        return self._line

    def peek(self) -> int:
        """The next byte that is not white space, or -1 at the end."""
        while True:
            match = _SPACE.match(self.data, self.position)
            assert match is not None
            self.start = self.position = match.end()
            if self.position < len(self.data):
                return self.data[self.position]
            if not self.more():
                return -1

    def step(self) -> None:
        """Over one byte."""
        self.position += 1

    def piece(self) -> bytes | Problem:
        """The element that ends here."""
        if self.cut or self.position - self.start > MAX_ROW_BYTES:
            return TOO_LONG
        return self.data[self.start : self.position]


def elements(chunks: Iterable[bytes]) -> Iterator[Row]:
    """The elements of the array that the text is. What is wrong between elements is a row of its own."""
    window = _Window(chunks)
    opening = window.peek()
    assert opening == ord("[")
    window.step()
    number = 0
    mark = window.peek()
    while mark != ord("]"):
        line = window.line_at(window.position)
        if mark < 0:
            yield line, number or None, Problem("array_unclosed")
            return
        number += 1
        window.cut = False
        if not _skip(window):
            yield line, number, Problem("array_unclosed")
            return
        yield line, number, window.piece()
        mark = window.peek()
        line = window.line_at(window.position)
        if mark == ord(","):
            window.step()
            mark = window.peek()
            if mark == ord("]"):
                yield line, number, Problem("trailing_comma", None, {"piece": ",]"})
        elif mark not in (-1, ord("]")):
            yield line, number, Problem("missing_comma")
    window.step()
    if window.peek() >= 0:
        while len(window.data) < window.position + _QUOTED and window.more():
            pass
        rest = window.data[window.position : window.position + _QUOTED].decode("utf-8", "replace")
        yield window.line_at(window.position), None, Problem("text_after", None, {"piece": shown(rest)})


def _skip(window: _Window) -> bool:
    """Move behind the element that begins here; False when the text ends in its middle."""
    first = window.data[window.position]
    if first in b",}:":  # stands where an element should; the judge says that it is none
        window.step()
        return True
    if first == ord('"'):
        return _skip_string(window)
    return _skip_nested(window) if first in b"[{" else _skip_scalar(window)


def _skip_nested(window: _Window) -> bool:
    depth = 0
    while True:
        while (match := _BRACKET.match(window.data, window.position)) is not None:
            window.position = match.end()
            depth += 1 if match[1] in b"[{" else -1
            if depth == 0:
                return True
        plain = _PLAIN.match(window.data, window.position)
        assert plain is not None
        window.position = plain.end()
        if window.position < len(window.data):
            if not _skip_string(window):
                return False
        elif not window.more():
            return False


def _skip_string(window: _Window) -> bool:
    window.step()
    while True:
        match = _STRING_REST.match(window.data, window.position)
        assert match is not None
        window.position = match.end()
        if window.position < len(window.data) and window.data[window.position] == ord('"'):
            window.step()
            return True
        if not window.more():
            return False


def _skip_scalar(window: _Window) -> bool:
    window.step()
    while True:
        match = _SCALAR.match(window.data, window.position)
        assert match is not None
        window.position = match.end()
        if window.position < len(window.data):
            return True
        if not window.more():
            return False
