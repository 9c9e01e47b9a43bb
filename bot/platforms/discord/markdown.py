"""Markdown as Discord writes it: what a model says is fitted to it, what we say is kept from being taken for it."""

import re
import unicodedata
from functools import lru_cache

from bot.chat.content import Answer, AnswerState
from bot.chat.platform import Extent
from bot.platforms.markdown import aligned

MOST_CONTENT = 2000  # "Message contents (up to 2000 characters)"; counted in UTF-16 units to be safe
ELLIPSIS = "…"
_LEAST_THOUGHT = 40
_BROKEN_FENCE = "`\u200b``"

_URL = re.compile(r"https?://[^\s<>]+")
_ALWAYS = re.compile(r"([\\*_~|`\[])")
_MENTION = re.compile(r"<(?=[@#:/]|a:|t:|id:)")
_LINE_START = re.compile(r"^(\s*)([#>+-]|\d+(?=\.))", re.MULTILINE)

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})\s*([^`]*)$")
_HEADING = re.compile(r"^ {0,3}#{4,6}\s(.*)$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_TASK = re.compile(r"^(\s*(?:[-*+]|\d+\.)\s+)\[([ xX])\]\s+")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_DELIMITER = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_TICKS = re.compile(r"`+")
# Between blanks they are two bars; nobody begins or ends a spoiler so.
_BARS = re.compile(r"(?<=\s)\|\|(?=\s)")


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """Text that goes through UTF-8: no NUL, no carriage return, no lone surrogate."""
    whole = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clipped(text: str, most: int) -> str:
    """The longest beginning within ``most`` UTF-16 units that splits no character."""
    return text.encode("utf-16-le")[: 2 * max(most, 0)].decode("utf-16-le", "ignore")


def visible(text: str) -> bool:
    """Whether there is anything to see: Discord refuses a message of blanks."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def escaped(text: str) -> str:
    """A text that is shown as it stands, addresses as links."""
    parts: list[str] = []
    end = 0
    whole = clean(text)
    for match in _URL.finditer(whole):
        parts += [_escaped(whole[end : match.start()]), match.group()]
        end = match.end()
    parts.append(_escaped(whole[end:]))
    return _LINE_START.sub(_guarded, "".join(parts))


def _escaped(text: str) -> str:
    return _MENTION.sub(r"\\<", _ALWAYS.sub(r"\\\1", text))


def _guarded(match: re.Match[str]) -> str:
    blank, sign = match.groups()
    return f"{blank}{sign}\\" if sign.isdigit() else f"{blank}\\{sign}"


def fenced(text: str) -> str:
    """A text as a block of code; a fence inside it is broken by a character that is not seen."""
    return f"```\n{clean(text).replace('```', _BROKEN_FENCE)}\n```"


def subtext(text: str) -> str:
    """Small grey lines."""
    return "\n".join(f"-# {line}" for line in escaped(text).split("\n"))


def render_answer(answer: Answer) -> str:
    """One page of an answer as the content of a message, at most 2,000 units.

    A page of at most so much is always shown whole: where fitting it makes it longer, it is shown as it was written.
    """
    note = clean(answer.note).strip()
    if answer.state is AnswerState.WAITING or not visible(answer.text):
        return _with_note(ELLIPSIS, note)
    source = clean(answer.text).strip()
    shown = fitted(source)
    if units(shown) > MOST_CONTENT:
        shown = clipped(source, MOST_CONTENT)
    return _after_thought(answer.thought, _with_note(shown, note))


def measure(source: str) -> Extent:
    """The room that a page takes: the longer of its two forms."""
    whole = clean(source).strip()
    return Extent(max(units(fitted(whole)), units(whole)), 0)


def _with_note(body: str, note: str) -> str:
    if not note:
        return body
    line = subtext(note.replace("\n", " "))
    room = MOST_CONTENT - units(body) - 2
    if units(line) > room:
        line = clipped(line, room - 1) + ELLIPSIS
    return f"{body}\n{line}" if room > 8 else body


def _after_thought(thought: str, body: str) -> str:
    whole = " ".join(clean(thought).split())
    room = MOST_CONTENT - units(body) - 12
    if not visible(whole) or room < _LEAST_THOUGHT:
        return body
    shown = escaped(whole)
    if units(shown) > room:
        shown = clipped(shown, room - 2).rstrip("\\") + ELLIPSIS
    # What Discord folds away is a spoiler.
    return f"-# ||{shown}||\n{body}"


# A page is measured before it is shown, and both have to fit it.
@lru_cache(maxsize=512)
def fitted(source: str) -> str:
    """A model's Markdown in Discord's: it knows no tables, no headings below the third, no rules, no pictures."""
    lines = source.split("\n")
    made: list[str] = []
    fence = ""
    position = 0
    while position < len(lines):
        line = lines[position]
        opening = _FENCE.match(line)
        if fence:
            closes = opening is not None and not opening.group(3) and opening.group(2).startswith(fence)
            made.append("```" if closes else line.replace("```", _BROKEN_FENCE) if fence != "```" else line)
            fence = "" if closes else fence
        elif opening is not None:
            fence = opening.group(2)
            made.append(f"```{opening.group(3).strip()}")
        elif position + 1 < len(lines) and "|" in line and _DELIMITER.match(lines[position + 1]):
            end = position + 2
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                end += 1
            made.append(_table(lines[position:end]))
            position = end - 1
        else:
            made.append(_line(line))
        position += 1
    return "\n".join(made)


def _line(line: str) -> str:
    if _RULE.match(line):
        return "———"
    heading = _HEADING.match(line)
    if heading is not None:
        title = heading.group(1).strip().rstrip("#").rstrip()
        line = f"**{title}**" if title else ""
    line = _TASK.sub(lambda match: f"{match.group(1)}{'☐' if match.group(2) == ' ' else '☑'} ", line)
    parts: list[str] = []
    end = 0
    for begin, stop in _code_spans(line):
        parts += [_inline(line[end:begin]), line[begin:stop]]
        end = stop
    return "".join([*parts, _inline(line[end:])])


def _code_spans(line: str) -> list[tuple[int, int]]:
    """From a run of backticks to the next one as long."""
    runs = [match.span() for match in _TICKS.finditer(line)]
    spans: list[tuple[int, int]] = []
    for at, (begin, end) in enumerate(runs):
        if spans and begin < spans[-1][1]:
            continue
        closing = next((run for run in runs[at + 1 :] if run[1] - run[0] == end - begin), None)
        if closing is not None:
            spans.append((begin, closing[1]))
    return spans


def _inline(text: str) -> str:
    # What a model writes must not become a mention of somebody.
    text = _BARS.sub(r"\\|\\|", text)
    return _MENTION.sub(r"\\<", _IMAGE.sub(r"[\1](\2)", text))


def _table(lines: list[str]) -> str:
    return fenced(aligned("\n".join(lines), "─"))
