"""What phones send, made what was meant: keyboards turn hyphens into dashes and quotes into curly ones."""

import re
import unicodedata
from dataclasses import dataclass

from bot.chat.errors import UserError

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"
_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»「」『』＂", '"') | dict.fromkeys("‘’‚‛", "'"))
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DASHES = "‐‑‒–—―−⸺⸻﹘－"
_LEADING_DASHES = re.compile(rf"^[-{_DASHES}]*[{_DASHES}][-{_DASHES}]*(?=[^\W\d])")
_SINGLE_HYPHEN = re.compile(r"^-(?=[^\W\d_]{2})")


@dataclass(frozen=True, slots=True)
class Word:
    """One word; ``quoted`` if any part of it stood in quotes."""

    text: str
    quoted: bool = False


def normalise(text: str) -> str:
    """NFKC, no invisible characters, straight quotes, plain minus signs in numbers."""
    text = _SUPERSCRIPT.sub(lambda match: "^" + match.group().replace("⁺", ""), text)
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES).translate(_INVISIBLE))
    text = text.replace("×", "x").replace("\u2212", "-")
    return re.sub(r"[ \t\r\n\f\v\u3000]+", " ", text).strip()


def words(text: str) -> list[Word]:
    """The words of a normalised line. Raises ``UserError`` that shows where a quote was not closed."""
    found: list[Word] = []
    current, quoted, quote, opened = "", False, "", 0
    for index, character in enumerate(text):
        if quote:
            if character == quote:
                quote = ""
            else:
                current += character
        elif character == '"' or (character == "'" and not current):
            quote, quoted, opened = character, True, index
        elif _separates(text, index):
            if current or quoted:
                found.append(Word(current, quoted))
            current, quoted = "", False
        else:
            current += character
    if quote:
        raise UserError("quote_open", rest=text[opened : opened + 20], position=opened + 1)
    if current or quoted:
        found.append(Word(current, quoted))
    return [Word(dashed(word.text), word.quoted) for word in _joined(found)]


def _separates(text: str, index: int) -> bool:
    if text[index] == " ":
        return True
    # A comma separates, but not within a number such as 4,096.
    around = text[max(0, index - 1) : index + 2]
    return text[index] in ",、;" and not re.fullmatch(r"\d,\d", around)


def _joined(found: list[Word]) -> list[Word]:
    """``epochs = 5`` and ``epochs: 5`` as one word."""
    joined: list[Word] = []
    for word in found:
        if joined and not word.quoted and word.text[:1] in ("=", ":") and not joined[-1].quoted:
            joined[-1] = Word(joined[-1].text + word.text)
        elif joined and not joined[-1].quoted and joined[-1].text.endswith(("=", ":")) and len(joined[-1].text) > 1:
            joined[-1] = Word(joined[-1].text + word.text, word.quoted)
        else:
            joined.append(word)
    return joined


def dashed(word: str) -> str:
    """A word whose leading dashes, whatever a keyboard made of them, are two hyphens."""
    return _SINGLE_HYPHEN.sub("--", _LEADING_DASHES.sub("--", word))


_POWER = re.compile(r"^(?:([+-]?(?:\d+\.?\d*|\.\d+))[x*])?10(?:\^|\*\*)([+-]?\d+)$", re.IGNORECASE)
_UNIT = re.compile(r"(?:轮|条|步|次|个|epochs?|tokens?)$", re.IGNORECASE)
_PLAIN = re.compile(r"^[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?$", re.IGNORECASE)


def number(text: str) -> float | None:
    """A number as people write it: ``1e-4``, ``.0001``, ``1x10^-4``, ``5轮``, ``10%``; None if it is none."""
    value = _UNIT.sub("", text.strip().replace(" ", ""))
    for dash in _DASHES:
        value = value.replace(dash, "-")
    percent = value.endswith("%")
    value = value.removesuffix("%")
    power = _POWER.match(value)
    if power is not None:
        exponent = int(power.group(2))
        if abs(exponent) > 300:
            return None
        result = float(power.group(1) or 1) * 10.0**exponent
    elif _PLAIN.match(value) and len(value) <= 40:
        result = float(value.replace(",", ""))
    else:
        return None
    if result in (float("inf"), float("-inf")):
        return None
    # Rounded, because 1 x 10^-4 should be the number that 1e-4 is.
    result = float(f"{result:.12g}")
    return result / 100 if percent else result
