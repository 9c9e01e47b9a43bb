"""Cuts a growing Markdown text into pages that stand by themselves.

A page ends at a block (a paragraph, an item, a table's row), else at a line, a sentence, a word, else between two
characters as people see them; never inside a link, a code span or marked words. A code fence or a table that is open
at the cut is closed there and begun again, with its language or its head, on the next page. Pages that are full never
change when the text grows: what was shown stays as it was shown.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import regex

from bot.answering.outline import Fence, Outline, Table, outline

Fits = Callable[[str], bool]

_LINE = re.compile(r"\n+")
_SENTENCE = re.compile(r"[。！？；…]+[”’\"')）】]*\s*|[.!?;]+[”’\"')]*\s+")
_WORD = re.compile(r"\s+|[，、]|,(?!\d)")
# Lines of a quote in which nothing stands.
_QUOTE_ENDS = re.compile(r"(?:\n[ \t>]*)+$")
_GRAPHEME = regex.compile(r"\X")
# A break in the first half would leave a page nearly empty: the next kind of break is looked for instead.
_LEAST = 0.5
_TAB = 4


def units(text: str) -> int:
    """Length in UTF-16 units, in which platforms count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Cut:
    """A full page, and how the rest goes on."""

    page: str
    rest: str


def cut(text: str, most: int, fits: Fits) -> Cut | None:
    """The first full page of a text; None while all of it fits.

    ``fits`` says whether a page can be shown; what has more than ``most`` characters never does.
    """
    if len(text) <= most and fits(text):
        return None
    # What lies behind the next page does not change where it ends.
    seen = _Text(text[: 2 * most + 1000])
    longest = seen.longest(most, fits)
    for position in seen.breaks(longest):
        found = seen.at(position, text)
        if fits(found.page) and len(found.rest) < len(text):
            return found
    # A single character, as people see it, that is longer than a page.
    position = longest or max(1, min(most // 2, len(text)))
    return Cut(text[:position], text[position:])


class _Text:
    """A text with its outline."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def outline(self) -> Outline:
        return outline(self.text)

    @cached_property
    def graphemes(self) -> list[int]:
        return [match.end() for match in _GRAPHEME.finditer(self.text)]

    def longest(self, most: int, fits: Fits) -> int:
        """The end of the longest beginning that fits, between two characters; 0 if not even one does."""
        low, high = 0, bisect_right(self.graphemes, most)
        while low < high:
            middle = (low + high + 1) // 2
            if fits(self.at(self.graphemes[middle - 1], self.text).page):
                low = middle
            else:
                high = middle - 1
        return self.graphemes[low - 1] if low else 0

    def breaks(self, longest: int) -> Iterator[int]:
        """Where the page may end, the best place first."""
        least = int(longest * _LEAST)
        blocks = [at for at in self.outline.blocks if least < at <= longest]
        yield from reversed(blocks)
        fence = self.outline.fence_at(longest)
        kinds = (_LINE,) if fence is not None and fence.content < least else (_LINE, _SENTENCE, _WORD)
        for kind in kinds:
            ends = [match.end() for match in kind.finditer(self.text, 0, longest)]
            yield from (at for at in reversed(ends) if least < at and not self.outline.holds(at))
        yield from (at for at in reversed(self._up_to(longest)) if not self.outline.holds(at))
        # Marked words or a link longer than a page: nothing better than to cut it, the former between two words.
        ends = [match.end() for match in _WORD.finditer(self.text, 0, longest)]
        yield from (at for at in reversed(ends) if least < at)
        yield from reversed(self._up_to(longest)[-1:])

    def _up_to(self, longest: int) -> list[int]:
        return self.graphemes[: bisect_right(self.graphemes, longest)]

    def at(self, position: int, whole: str) -> Cut:
        """The page that ends here, and the rest of the ``whole`` text, each closed and begun so that it stands."""
        page, rest = self.text[:position], whole[position:]
        fence = self.outline.fence_at(position)
        if fence is not None:
            return Cut(_closed(page, fence), _begun(rest, fence))
        table = self.outline.table_at(position)
        if table is not None:
            return Cut(_QUOTE_ENDS.sub("", page).rstrip(), _headed(self.text[table.begin : table.body], rest, table))
        blanks = page[page.rfind("\n") + 1 :]
        if blanks.strip():
            return Cut(page.rstrip(), rest.lstrip())
        rest = (blanks + rest).lstrip("\n")
        if any(begin < position < end for begin, end in self.outline.indented):
            return Cut(page.rstrip(), rest)
        return Cut(page.rstrip(), _outdented(rest, len(rest) - len(rest.lstrip(" "))))


def _closed(page: str, fence: Fence) -> str:
    return f"{page.rstrip(chr(10))}\n{fence.indent}{fence.marker}"


def _begun(rest: str, fence: Fence) -> str:
    lines = _outdented(rest.removeprefix("\n"), fence.width)
    return f"{fence.lead}{fence.marker}{fence.info}\n{lines}"


def _headed(head: str, rest: str, table: Table) -> str:
    """The rows of a table that go on, under its head."""
    lines = [line.strip(" \t>") for line in head.rstrip(" \t>\n").split("\n")]
    begun = "".join(f"{table.lead}{line}\n" for line in lines)
    rows = rest.lstrip(" \t>" if ">" in table.lead else " \t")
    return begun + table.lead + _outdented(rows, table.width)


def _outdented(text: str, width: int) -> str:
    """The text without so many columns before its first lines, up to one that is less far in: what belonged to an item
    is not further in than before when the item's mark stands on the page before.
    """
    if width == 0:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        whole = line.expandtabs(_TAB) if line[:1] == "\t" or "\t" in line[:width] else line
        far = len(whole) - len(whole.lstrip(" "))
        if number and whole.strip() and far < width:
            break
        lines[number] = whole[min(far, width) :]
    return "\n".join(lines)
