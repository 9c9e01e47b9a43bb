"""A model's Markdown made safe from what the converter reads otherwise than whoever wrote it: HTML that is none, code
that looks like formulas, prices that look like them too, two bars that hide what lies between, lines that name a link.

What must not be read stands as a private character of the same width while the converter works.
"""

import re

from bot.platforms.markdown import aligned, regions

_LESS_THAN, _BACKSLASH, _BAR, _DOLLAR, _BRACKET = "\ue0fc", "\ue0fb", "\ue0fa", "\ue0f9", "\ue0f8"
_SIGNS = {_LESS_THAN: "<", _BACKSLASH: "\\", _BAR: "|", _DOLLAR: "$", _BRACKET: "["}
_RESTORE = str.maketrans(_SIGNS)
_FOREIGN = str.maketrans(dict.fromkeys(_SIGNS, ""))

_ESCAPED_LESS_THAN = re.compile(rf"(?<!\\)((?:\\\\)*)\\{_LESS_THAN}")
# `[label]: address` names a link, and is not shown: a list of sources would be gone.
_NAMED_LINK = re.compile(r"(?m)^((?:[ \t>]|[*+-][ \t]|\d+[.)][ \t])*)\[(?=[^\]\n]+\]:)")
_BARS = re.compile(
    r"(?P<spoiler>(?<![\w|\\])\|\|(?=[^\s|])(?:(?!\|\||\n[ \t]*\n).)+(?<=[^\s|])\|\|(?![\w|]))|\|{2,}", re.DOTALL
)
_FORMULA = re.compile(
    r"\$\$(?P<block>[^$]+)\$\$|(?<![\w$])\$(?=\S)(?P<inline>[^$\n]+)(?<=[^\s\\])\$(?![\w$])", re.DOTALL
)
_PRICE = re.compile(r"(?<!\\)\$")
_MATHEMATICAL = re.compile(r"[\\^_{}=]")
_WORD = re.compile(r"[^\W\d_]{2}")
_LETTER = re.compile(r"[A-Za-z]")
_LONGEST_WITHOUT_SIGN = 20


def guarded(source: str) -> str:
    """The text for the converter; what it makes of it is to be :func:`restored`."""
    text = source.translate(_FOREIGN).replace("<", _LESS_THAN)
    if not any(sign in text for sign in "\\|$["):
        return text
    data, parts, at = text.encode(), [], 0
    for region in regions(data):
        inside = data[region.begin : region.end].decode()
        shown = _table(inside, region.before) if region.table else inside.replace("\\", _BACKSLASH)
        if shown is None:
            continue
        parts += [_prose(data[at : region.begin].decode()), shown]
        at = region.end
    parts.append(_prose(data[at:].decode()))
    return "".join(parts)


def restored(text: str | None) -> str | None:
    """With the signs that were kept from the converter."""
    return text.translate(_RESTORE) if text else None


def _table(source: str, before: str) -> str | None:
    """The table as code; None within a quote and beside an item's mark, where the converter's own way has to do."""
    if before.strip():
        return None
    lines = ["```", *aligned(source, "-").replace("\\", _BACKSLASH).split("\n"), "```"]
    return f"\n{before}".join(lines) + ("\n" if source.endswith("\n") else "")


def _prose(text: str) -> str:
    text = _ESCAPED_LESS_THAN.sub(rf"\1{_LESS_THAN}", text)
    text = _NAMED_LINK.sub(rf"\1{_BRACKET}", text)
    text = _BARS.sub(lambda match: match[0] if match["spoiler"] else _BAR * len(match[0]), text)
    return _without_prices(text) if "$" in text else text


def _without_prices(text: str) -> str:
    parts, at = [], 0
    while (sign := _PRICE.search(text, at)) is not None:
        formula = _FORMULA.match(text, sign.start())
        end = formula.end() if formula is not None and _is_formula(formula) else sign.end()
        parts += [text[at : sign.start()], text[sign.start() : end] if end > sign.end() else _DOLLAR]
        at = end
    return "".join([*parts, text[at:]])


def _is_formula(found: re.Match[str]) -> bool:
    inside = found["block"] or found["inline"]
    if _MATHEMATICAL.search(inside):
        return True
    return len(inside) <= _LONGEST_WITHOUT_SIGN and bool(_LETTER.search(inside)) and not _WORD.search(inside)
