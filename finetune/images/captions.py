"""A caption file to its text."""

import math
import re
from dataclasses import dataclass

from finetune.datasets.encoding import Encoding, recognise
from finetune.images.findings import Problem

MAX_BYTES = 128 << 10
MAX_TOKENS = 512
# Without the text encoder's own vocabulary: English has about four characters a token, and a character of Chinese,
# Japanese or Korean is at least one.
_LETTERS_A_TOKEN = 4
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_USUAL = re.compile("[\u2010-\u203b\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")


@dataclass(frozen=True, slots=True)
class Caption:
    """What a caption file says, without white space around it, and what is wrong with the file."""

    text: str
    problems: tuple[Problem, ...] = ()

    @property
    def tokens(self) -> int:
        """Estimated tokens."""
        return tokens(self.text)


def understand(data: bytes) -> Caption:
    """The caption that a file of these bytes holds, whatever its encoding; "" where it cannot be read."""
    encoding = _encoding(data)
    try:
        text = data[encoding.mark :].decode("utf-8" if not encoding.converts else encoding.name)
    except UnicodeDecodeError:
        return Caption("", (Problem("caption_bad_text"),))
    if _UNPRINTABLE.search(text):
        return Caption("", (Problem("caption_bad_text"),))
    text = text.replace("\r\n", "\n").strip()
    problems = []
    if not text:
        problems.append(Problem("caption_empty"))
    elif encoding.converts:
        problems.append(Problem("caption_converted", {"encoding": encoding.name.upper()}))
    if tokens(text) > MAX_TOKENS:
        problems.append(Problem("caption_tokens", {"tokens": tokens(text), "limit": MAX_TOKENS}))
    return Caption(text, tuple(problems))


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    wide = len(_WIDE.findall(text))
    return wide + math.ceil((len(text) - wide) / _LETTERS_A_TOKEN)


def is_wide(text: str) -> bool:
    """Whether a text is mostly Chinese, Japanese or Korean."""
    letters = sum(1 for letter in text if letter.isalpha())
    return letters > 0 and len(_WIDE.findall(text)) * 2 > letters


def _encoding(data: bytes) -> Encoding:
    """As datasets are recognised, but a caption is prose and short: it has no bracket to begin with, and the few bytes
    of a Chinese one may look like UTF-8 for the most part.
    """
    found = recognise(data)
    if found.mark or found.converts:
        return found
    if b"\0" not in data:
        return Encoding("gb18030") if _is_gb18030(data) else found
    if len(data) % 2:
        return found
    even, odd = data[::2].count(0), data[1::2].count(0)
    if odd * 2 > len(data) // 2 and not even:
        return Encoding("utf-16-le")
    if even * 2 > len(data) // 2 and not odd:
        return Encoding("utf-16-be")
    return found


def _is_gb18030(data: bytes) -> bool:
    """Whether a short text is Chinese in that encoding and is not UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            return False
        outside = [letter for letter in text if letter > "\x7f"]
        return sum(1 for letter in outside if _USUAL.match(letter)) >= len(outside) * 0.9
    return False
