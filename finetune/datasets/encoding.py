"""Bytes as they came, to UTF-8: recognises the encoding from the beginning and converts while reading."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CHECKED = 1 << 18
# Bytes that the encoding cannot hold become one lone surrogate. It is no valid UTF-8, so its line gets a finding.
_MARK = "\udcff"
_UTF8_PIECES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_USUAL_IN_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\u2010-\u2bff\U0001f000-\U0001faff]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by its name, and how many bytes of byte order mark stand first."""

    name: str
    mark: int = 0

    @property
    def converts(self) -> bool:
        """Whether the text has to be converted to be UTF-8."""
        return self.name not in ("utf-8", "utf-8-sig")

    @property
    def has_nul_bytes(self) -> bool:
        """Whether plain text has NUL bytes in it."""
        return self.name.startswith(("utf-16", "utf-32"))


def recognise(head: bytes) -> Encoding:
    """The encoding of a file that begins with ``head``; UTF-8 when nothing speaks against it."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark))
    first = head[:4]
    if len(first) == 4 and first[0] in b"[{ \t\r\n" and first[1] == 0 and first[3] == 0 and first[2]:
        return Encoding("utf-16-le")
    if len(first) == 4 and first[1] in b"[{ \t\r\n" and first[0] == 0 and first[2] == 0 and first[3]:
        return Encoding("utf-16-be")
    return Encoding("gb18030" if _is_gb18030(head[_first_foreign(head) :][:_CHECKED]) else "utf-8")


def _first_foreign(head: bytes) -> int:
    found = re.search(rb"[\x80-\xff]", head)
    # A two-byte character of GB18030 may end in an ASCII byte but never begins with one.
    return found.start() if found else len(head)


def _is_gb18030(piece: bytes) -> bool:
    foreign = len(piece) - len(piece.translate(None, bytes(range(128, 256))))
    if not foreign or _is_utf8(piece, foreign):
        return False
    as_utf8 = sum(len(match) for match in _UTF8_PIECES.findall(piece))
    if as_utf8 * 2 > foreign:  # UTF-8 with a few broken bytes stays UTF-8
        return False
    text = codecs.getincrementaldecoder("gb18030")("replace").decode(piece)
    outside = [letter for letter in text if letter > "\x7f"]
    return sum(1 for letter in outside if _USUAL_IN_CHINESE.match(letter)) >= len(outside) * 0.9


def _is_utf8(piece: bytes, foreign: int) -> bool:
    """Whether it is without a doubt: broken nowhere, but perhaps cut off. Says in no time what most files are."""
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and foreign > 2 * (len(piece) - error.start)
    return True


def to_utf8(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """The text as UTF-8 without a byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding.name)("tuneteller-mark") if encoding.converts else None
    skip = encoding.mark
    for chunk in chunks:
        piece = chunk[skip:]
        skip = 0
        yield decoder.decode(piece).encode("utf-8", "surrogatepass") if decoder else piece
    if decoder:
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _mark_bad(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _MARK, error.end


codecs.register_error("tuneteller-mark", _mark_bad)
