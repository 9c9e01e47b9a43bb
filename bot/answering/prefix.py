"""A text that is still being written, made readable: what is open is closed, what says nothing yet is held back."""

import re

from bot.answering.outline import outline

# A line that only begins a fence: whether it is one, and of which language, is not known yet.
_FENCE_BEGINS = re.compile(r"(?:^|\n)[ \t>]*(?:`{3,}[^\s`]*|~{3,}[^\s~]*|`{1,2}|~{1,2})$")
# Lines at the end that look like a table's: `| a | b |`.
_TABLE_END = re.compile(r"(?:^|\n)(?P<table>(?:[ \t]*\|[^\n]*\n)*[ \t]*\|[^\n]*)$")
_UNDERLINE = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
# `[label](https://…` and `[label`: the address must not be read before it is whole.
_LINK_OPEN = re.compile(r"!?\[(?P<label>[^\[\]\n]*)(?:\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\([^()\s]*)?)?)?$")
# What marks something in an address marks nothing.
_TOKEN = re.compile(r"\\.|https?://[^\s<>*~`]+|(?P<ticks>`+)|(?P<mark>\*{1,3}|_{1,3}|~~?)")
# An item's star, or one between blanks, marks nothing.
_BULLET = re.compile(r"^[ \t>]*(?:[*+-]|\d+[.)])(?:\s|$)")


def completed(text: str) -> str:
    """The text so that every page of it can be shown as it stands."""
    if _FENCE_BEGINS.search(text):
        text = text[: text.rfind("\n") + 1]
    seen = outline(text)
    fence = seen.fence_at(len(text))
    if fence is not None and not fence.closed:
        return f"{text.rstrip(chr(10))}\n{fence.indent}{fence.marker}"
    text = _without_open_table(text)
    # (A blank line in a code block that has ended begins nothing.)
    begin = max(_last_block(text), max((fence.end for fence in seen.fences), default=0))
    return text[:begin] + _closed(_without_open_link(text[begin:]))


def balanced(text: str) -> str:
    """A text that has ended, with a code fence closed that its author left open."""
    fence = outline(text).fence_at(len(text))
    if fence is None or fence.closed:
        return text
    return f"{text.rstrip(chr(10))}\n{fence.indent}{fence.marker}"


def _last_block(text: str) -> int:
    blank = max((match.end() for match in re.finditer(r"\n[ \t]*\n", text)), default=0)
    # Marks do not reach over items and headings either.
    line = max((match.start() for match in re.finditer(r"(?m)^[ \t>]*(?:[*+-]|\d+[.)]|#+)\s", text)), default=0)
    return max(blank, line)


def _without_open_table(text: str) -> str:
    match = _TABLE_END.search(text)
    if match is None:
        return text
    lines = match["table"].split("\n")
    if len(lines) < 2 or not _UNDERLINE.match(lines[1]) or (len(lines) == 2 and not text.endswith("\n")):
        return text[: match.start("table")]
    if len(lines) > 2 and not text.endswith("\n"):
        return text[: len(text) - len(lines[-1])]
    return text


def _without_open_link(block: str) -> str:
    match = _LINK_OPEN.search(block)
    if match is None or "`" in block[match.start() :]:
        return block
    return block[: match.start()] + match["label"]


def _closed(block: str) -> str:
    """The block with its open marks closed, the innermost first; a mark without anything after it is taken off."""
    bullet = _BULLET.match(block)
    position = bullet.end() if bullet else 0
    stack: list[tuple[str, int]] = []
    while (match := _TOKEN.search(block, position)) is not None:
        position = match.end()
        if match["ticks"]:
            close = re.compile(rf"(?<!`){match['ticks']}(?!`)").search(block, position)
            if close is None:
                inside = block[position:]
                kept = block if inside.strip() else block[: match.start()].rstrip(" ")
                return _ended(kept, [*stack, (match["ticks"], match.start())] if inside.strip() else stack)
            position = close.end()
        elif match["mark"]:
            _mark(block, match, stack)
    return _ended(block, stack)


def _mark(block: str, match: re.Match[str], stack: list[tuple[str, int]]) -> None:
    mark = match["mark"]
    before = block[match.start() - 1 : match.start()]
    after = block[match.end() : match.end() + 1]
    if mark == "~" and after:
        return  # one alone marks nothing; at the end it may be half of two
    if stack and stack[-1][0] == mark and before.strip():
        stack.pop()
    elif any(known == mark for known, _ in stack) and before.strip():
        while stack.pop()[0] != mark:
            pass
    elif mark == "***" and len(stack) >= 2 and {stack[-1][0], stack[-2][0]} == {"*", "**"} and before.strip():
        del stack[-2:]
    elif (not after or after.strip()) and not (mark.startswith("_") and before.isalnum()):
        # (A low line within a word is one of its letters.)
        stack.append((mark, match.start()))


def _ended(block: str, stack: list[tuple[str, int]]) -> str:
    for mark, place in reversed(stack):
        said = block[place + len(mark) :].strip()
        block = block.rstrip() + mark if said else block[:place].rstrip(" ")
    return block
