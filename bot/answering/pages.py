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
_BLANKS = re.compile(r"[ \t]*")
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
    """A full page, and how the rest goes on; ``outdent`` is for what comes after it."""

    page: str
    rest: str
    outdent: "Outdent | None" = None


class Outdent:
    """Takes so many columns off the lines of a text that comes in pieces, up to the first line that is less far in.

    What belonged to an item is not further in than before when the item's mark stands on the page before.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        # Blanks at the beginning of a line of which nothing else is known yet.
        self._held = ""
        self._within = False
        self._first = True
        self.over = width == 0

    def feed(self, text: str) -> str:
        """A piece as it is to be shown. Blanks at its end may wait for the next one."""
        if self.over:
            return text
        text, self._held, made, at = self._held + text, "", [], 0
        while at < len(text):
            if self._within:
                end = text.find("\n", at) + 1 or len(text)
                self._within = not text.endswith("\n", at, end)
            else:
                blanks = _BLANKS.match(text, at)
                assert blanks is not None
                if blanks.end() == len(text):
                    self._held = blanks[0]
                    break
                far = blanks[0].expandtabs(_TAB)
                blank = text[blanks.end()] == "\n"
                if len(far) < self._width and not blank and not self._first:
                    self.over = True
                    made.append(text[at:])
                    break
                made.append(far[self._width :])
                at, end = blanks.end(), blanks.end() + blank
                self._first, self._within = False, not blank
            made.append(text[at:end])
            at = end
        return "".join(made)


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
            outdent = Outdent(fence.width)
            lines = outdent.feed(rest.removeprefix("\n"))
            return Cut(_closed(page, fence), f"{fence.lead}{fence.marker}{fence.info}\n{lines}", outdent)
        table = self.outline.table_at(position)
        if table is not None:
            outdent = Outdent(table.width)
            rows = outdent.feed(rest.lstrip(" \t>" if ">" in table.lead else " \t"))
            head = _head(self.text[table.begin : table.body], table)
            return Cut(_QUOTE_ENDS.sub("", page).rstrip(), head + rows, outdent)
        blanks = page[page.rfind("\n") + 1 :]
        if blanks.strip():
            return Cut(page.rstrip(), rest.lstrip())
        rest = (blanks + rest).lstrip("\n")
        if any(begin < position < end for begin, end in self.outline.indented):
            return Cut(page.rstrip(), rest)
        outdent = Outdent(len(rest) - len(rest.lstrip(" ")))
        return Cut(page.rstrip(), outdent.feed(rest), outdent)


def _closed(page: str, fence: Fence) -> str:
    return f"{page.rstrip(chr(10))}\n{fence.indent}{fence.marker}"


def _head(lines: str, table: Table) -> str:
    """A table's head, and what stands before the first of its rows."""
    whole = (line.strip(" \t>") for line in lines.rstrip(" \t>\n").split("\n"))
    return "".join(f"{table.lead}{line}\n" for line in whole) + table.lead
