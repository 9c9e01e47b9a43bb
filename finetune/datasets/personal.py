"""Phone numbers, identity numbers, bank cards and e-mail addresses in a text: where they are, and how they look hidden.

A cheap pattern finds what may be one, then the checksum, the date or the numbering plan decides (``python-stdnum``,
``phonenumbers``), so that dates, prices and order numbers stay silent. The two packages are imported with the first
candidate. Digits may be full-width ones.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Literal

Kind = Literal["phone", "identity", "card", "email"]
KINDS: tuple[Kind, ...] = ("phone", "identity", "card", "email")
FIRST_ROWS = 5
_PROMPTS = 256

_WIDE = str.maketrans("０１２３４５６７８９＋（）－＠．　", "0123456789+()-@. ")
# Seven digits of a number, with at most two signs between each; most texts end here.
_DIGITS = re.compile(r"[0-9０-９](?:[ \-()（）－.　]{0,2}[0-9０-９]){6}")
_WORD = "0-9A-Za-z_*"
# Numbers stand alone: not in a word, not behind the point of another number, not in what was masked before.
_BEFORE = rf"(?<![{_WORD}@])(?<![0-9][.\-])"
_AFTER = rf"(?![{_WORD}]|[.\-][0-9]|,[0-9]{{3}}(?![0-9]))"

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-*])[A-Za-z0-9_%+\-][A-Za-z0-9._%+\-]{0,63}"
    r"@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9\-_])"
)
_IDENTITY = re.compile(rf"{_BEFORE}[1-9][0-9]{{16}}[0-9Xx]{_AFTER}")
_CARD = re.compile(
    rf"{_BEFORE}[2-69][0-9]{{3}}(?:([ \-]?)[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{1,4}}(?:\1[0-9]{{1,3}})?){_AFTER}"
)
_CARD_SHORT = re.compile(rf"{_BEFORE}3[0-9]{{3}}([ \-]?)[0-9]{{6}}\1[0-9]{{4,5}}{_AFTER}")
# What cards begin with, and how many digits they have then.
_ISSUERS: tuple[tuple[re.Pattern[str], frozenset[int]], ...] = (
    (re.compile("62"), frozenset({16, 17, 18, 19})),
    (re.compile("4"), frozenset({13, 16, 19})),
    (re.compile("5[1-5]"), frozenset({16})),
    (re.compile("3[47]"), frozenset({15})),
    (re.compile("3(?:0[0-5]|[68])"), frozenset({14})),
    (re.compile("35|6011|65"), frozenset({16})),
    (re.compile("9558|95599"), frozenset({19})),
)
_MOBILE = re.compile(rf"{_BEFORE}(?:(?:\+|00)?86[ \-]?)?(1[3-9][0-9](?:[ \-]?[0-9]{{4}}){{2}}){_AFTER}")
_LANDLINE = re.compile(
    rf"{_BEFORE}(?:(?:\+|00)86[ \-]?)?"
    rf"(?:\((0[0-9]{{2,3}})\)[ \-]?|(0[0-9]{{2,3}})([ \-]?))"
    rf"([2-9][0-9]{{2,3}}[ \-]?[0-9]{{4}})(?:-[0-9]{{1,5}})?{_AFTER}"  # the last: an extension
)
_INTERNATIONAL = re.compile(rf"(?<![{_WORD}@+])\+(?!86)[1-9](?:[ \-.()]{{0,2}}[0-9]){{6,16}}{_AFTER}")
# An area code that nothing sets apart is one only where somebody says so.
_CALLED = re.compile(r"(?:电话|電話|座机|固话|热线|传真|拨打|致电|号码|tel|phone|call|fax)[^0-9]{0,8}$", re.IGNORECASE)
_COUNTED = re.compile(
    r"(?:[¥￥$€£]|(?:订单|訂單|单|運單|运单|流水|编|快递|序列|追踪)号码?|(?:order|invoice|tracking|serial|no|id)\.?)"
    r"[ 　]{0,2}(?:是|为|number|no\.?)?[ 　:：#=]{0,3}$",
    re.IGNORECASE,
)
_LOOK_BACK = 24


@dataclass(frozen=True, slots=True)
class Found:
    """Something personal at ``text[start:end]``."""

    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PersonalCount:
    """How often a kind was found, in how many rows, and the 0-based numbers of the first ones."""

    found: int
    rows: int
    first: tuple[int, ...]


def found_in(text: str) -> list[Found]:
    """Everything personal in ``text``, in its order and without overlaps."""
    mail = "@" in text or "＠" in text
    if not mail and not _DIGITS.search(text):
        return []
    if not text.isascii():
        text = text.translate(_WIDE) if _has_wide(text) else text
    found: list[Found] = []
    for kind, start, end in _all(text, mail=mail):
        place = bisect_left(found, start, key=attrgetter("start"))
        free = place == len(found) or end <= found[place].start
        if free and (not place or found[place - 1].end <= start):
            found.insert(place, Found(kind, start, end))
    return found


def _has_wide(text: str) -> bool:
    return any(chr(code) in text for code in _WIDE)


def _all(text: str, *, mail: bool) -> Iterator[tuple[Kind, int, int]]:
    """What claims its place first wins: an address over the number in it, an identity over a card."""
    if mail:
        for match in _EMAIL.finditer(text):
            yield "email", *match.span()
    if not _DIGITS.search(text):
        return
    for match in _IDENTITY.finditer(text):
        if _is_identity(match[0]):
            yield "identity", *match.span()
    for pattern in (_CARD, _CARD_SHORT):
        for match in pattern.finditer(text):
            if _is_card(_digits(match[0])):
                yield "card", *match.span()
    for match in _INTERNATIONAL.finditer(text):
        if (end := _international_end(match[0])) is not None:
            yield "phone", match.start(), match.start() + end
    for match in _MOBILE.finditer(text):
        if _plan(mobile=True).fullmatch(_digits(match[1])) and not _is_after(_COUNTED, text, match.start()):
            yield "phone", *match.span()
    for match in _LANDLINE.finditer(text):
        set_apart = match[1] or match[3]
        number = (match[1] or match[2])[1:] + _digits(match[4])
        if _plan(mobile=False).fullmatch(number) and (set_apart or _is_after(_CALLED, text, match.start())):
            yield "phone", match.start(), match.end(4)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _is_after(words: re.Pattern[str], text: str, place: int) -> bool:
    return bool(words.search(text[max(0, place - _LOOK_BACK) : place]))


def _is_identity(number: str) -> bool:
    from stdnum.cn import ric

    return bool(ric.is_valid(number.upper()))


def _is_card(digits: str) -> bool:
    from stdnum import luhn

    issued = any(begin.match(digits) and len(digits) in lengths for begin, lengths in _ISSUERS)
    return issued and bool(luhn.is_valid(digits))


@lru_cache(maxsize=2)
def _plan(*, mobile: bool) -> re.Pattern[str]:
    """China's numbering plan, as ``phonenumbers`` has it; its own parser takes 50 times as long."""
    from phonenumbers import PhoneMetadata

    china = PhoneMetadata.metadata_for_region("CN")
    kind = china and (china.mobile if mobile else china.fixed_line)
    assert kind
    assert kind.national_number_pattern
    return re.compile(kind.national_number_pattern)


def _international_end(text: str) -> int | None:
    """Where the longest valid number ends that ``text`` begins with."""
    from phonenumbers import NumberParseException, is_valid_number, parse

    ends = [len(text), *(match.start() for match in reversed(list(re.finditer(r"[ \-.()]+", text))))]
    for end in ends:
        try:
            if is_valid_number(parse(text[:end])):
                return end
        except NumberParseException:
            return None
    return None


def masked(text: str) -> str:
    """``text`` with everything personal hidden but for its ends, which tell people what it was.

    ``138****5678``; an identity keeps 3 and 2 characters, a card 4 and 4, an address ``a***@host``. Text without
    anything personal is returned as it is, and masking again changes nothing.
    """
    # Hiding one number may set another free that was none beside it.
    while found := found_in(text):
        pieces, done = [], 0
        for each in found:
            pieces += [text[done : each.start], _hidden(each.kind, text[each.start : each.end])]
            done = each.end
        text = "".join([*pieces, text[done:]])
    return text


_KEPT: Mapping[Kind, tuple[int, int]] = {"phone": (3, 4), "identity": (3, 2), "card": (4, 4)}


def _hidden(kind: Kind, text: str) -> str:
    if kind == "email":
        at = text.translate(_WIDE).index("@")
        return f"{text[0]}***{text[at:]}"
    head, tail = _KEPT[kind]
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    if kind == "phone" and text.translate(_WIDE).startswith(("+86", "0086", "86")):
        # The country's digits tell nothing, and the number has its three besides.
        head += 4 if text.translate(_WIDE).startswith("0086") else 2
    if len(places) < head + tail + 3:
        # Some countries' numbers are short.
        head, tail = len(places) // 3, len(places) // 3
    hidden = set(places[head : len(places) - tail])
    return "".join("*" if place in hidden else letter for place, letter in enumerate(text))


class PersonalCounter:
    """Counts what is personal, row by row, and keeps no text. A system prompt is counted where it stands first."""

    def __init__(self) -> None:
        self._row = 0
        self._found = dict.fromkeys(KINDS, 0)
        self._rows = dict.fromkeys(KINDS, 0)
        self._first: dict[Kind, list[int]] = {kind: [] for kind in KINDS}
        self._prompts: set[str] = set()

    def add(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Count the next row."""
        kinds: set[Kind] = set()
        for message in messages:
            text = message["content"]
            if message["role"] == "system":
                if text in self._prompts:
                    continue
                if len(self._prompts) < _PROMPTS:
                    self._prompts.add(text)
            for found in found_in(text):
                self._found[found.kind] += 1
                kinds.add(found.kind)
        for kind in kinds:
            self._rows[kind] += 1
            if len(self._first[kind]) < FIRST_ROWS:
                self._first[kind].append(self._row)
        self._row += 1

    def result(self) -> dict[Kind, PersonalCount]:
        """The kinds that were found."""
        return {
            kind: PersonalCount(self._found[kind], self._rows[kind], tuple(self._first[kind]))
            for kind in KINDS
            if self._found[kind]
        }


def counted(rows: Iterable[Sequence[Mapping[str, str]]]) -> dict[Kind, PersonalCount]:
    """What is personal in ``rows`` (each the messages of a conversation), by kind."""
    counter = PersonalCounter()
    for messages in rows:
        counter.add(messages)
    return counter.result()
