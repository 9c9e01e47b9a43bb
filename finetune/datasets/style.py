"""The two spellings in which a canonical file may be written: Python's, with spaces, and everybody else's, without.

A file has one of them throughout, so that equal messages are equal bytes, and a file that is written so already is
its own canonical form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from finetune.datasets.formats.format import Message


@dataclass(frozen=True, slots=True)
class Style:
    """The text around the contents of a row. Strings are always written as ``orjson`` writes them."""

    comma: str
    colon: str

    @property
    def head(self) -> bytes:
        """What stands before the first role."""
        return f'{{"messages"{self.colon}[{{"role"{self.colon}"'.encode()

    @property
    def between(self) -> bytes:
        """Everything from the end of a content (its closing quote) to the next message's brace."""
        return f'"}}{self.comma}'.encode()

    def saying(self, role: str) -> bytes:
        """Everything from a message's brace to its content."""
        return f'{{"role"{self.colon}"{role}"{self.comma}"content"{self.colon}"'.encode()

    def opening(self, role: str) -> bytes:
        """Everything before the content of a row's first message."""
        return f'{{"messages"{self.colon}['.encode() + self.saying(role)

    def turning(self, role: str) -> bytes:
        """Everything from the end of a content (its closing quote) to the next one, which is said by ``role``."""
        return self.between + self.saying(role)

    @property
    def closing(self) -> bytes:
        """Everything after the last content, from its closing quote on."""
        return b'"}]}'

    def row(self, messages: Sequence[Message]) -> bytes:
        """A row with its line end."""
        if self is COMPACT:
            return orjson.dumps({"messages": messages}, option=orjson.OPT_APPEND_NEWLINE)
        pieces = [self.opening(messages[0]["role"]), orjson.dumps(messages[0]["content"])[1:-1]]
        for message in messages[1:]:
            pieces += (self.turning(message["role"]), orjson.dumps(message["content"])[1:-1])
        return b"".join((*pieces, self.closing, b"\n"))


COMPACT = Style(",", ":")
SPACED = Style(", ", ": ")


def style_of(text: bytes) -> Style:
    """The style of the first row in a file's beginning that has one."""
    spaced, compact = text.find(SPACED.head), text.find(COMPACT.head)
    return SPACED if spaced >= 0 and not 0 <= compact < spaced else COMPACT


def text_of(content: bytes) -> str:
    """What a content says, given as it is spelled between its quotes."""
    if b"\\" in content:
        text: str = orjson.loads(b'"%b"' % content)
        return text
    return content.decode()


def beginning_of(data: bytes, begin: int, end: int, characters: int) -> str:
    """The first characters, perhaps some more, of the content between two places."""
    # A character takes four bytes at most, an escape two.
    cut = begin + 4 * characters
    if end <= cut:
        return text_of(data[begin:end])
    text = data[begin:cut].decode(errors="ignore")
    if "\\" in text:
        if (len(text) - len(text.rstrip("\\"))) % 2:
            text = text[:-1]
        return text_of(text.encode())
    return text
