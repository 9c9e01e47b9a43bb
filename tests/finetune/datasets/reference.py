"""The reference judge: written straight from the seven rules and from what was decided on odd input, and slow.

It shares no code with the judge under test: its JSON reader is a small recursive-descent parser of RFC 8259 that
keeps every pair of an object, and rules 5 to 7 are regular expressions on the sequence of roles.
"""

import re
from typing import Any

MAX_DEPTH = 64
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Bad(Exception):
    """No JSON."""


class Pairs:
    """An object with all of its pairs."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, Any]] = []

    def get(self, key: str) -> Any:
        return dict(self.pairs)[key]

    def __contains__(self, key: object) -> bool:
        return any(name == key for name, _ in self.pairs)


class Number:
    """A number, never converted."""


class Parser:
    """A value of JSON, plus NaN and the infinities, which are noted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.constants = False
        self.strings: list[str] = []
        self.repeated = False

    def document(self) -> Any:
        value = self.value(0)
        self.space()
        if self.at != len(self.text):
            raise Bad
        return value

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def next(self) -> str:
        self.space()
        return self.text[self.at : self.at + 1]

    def value(self, depth: int) -> Any:
        mark = self.next()
        if mark in ("{", "[") and mark:
            if depth == MAX_DEPTH:
                raise Bad
            return self.object(depth + 1) if mark == "{" else self.array(depth + 1)
        if mark == '"':
            return self.string()
        for word, meaning in (("null", None), ("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        for word in ("NaN", "Infinity", "-Infinity"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                self.constants = True
                return Number()
        match = _NUMBER.match(self.text, self.at)
        if not match:
            raise Bad
        self.at = match.end()
        return Number()

    def object(self, depth: int) -> Pairs:
        pairs = Pairs()
        self.at += 1
        if self.next() == "}":
            self.at += 1
            return pairs
        while True:
            if self.next() != '"':
                raise Bad
            key = self.string()
            if self.next() != ":":
                raise Bad
            self.at += 1
            if key in ("messages", "role", "content") and key in pairs:
                self.repeated = True
            pairs.pairs.append((key, self.value(depth)))
            mark = self.next()
            self.at += 1
            if mark == "}":
                return pairs
            if mark != ",":
                raise Bad

    def array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self.at += 1
        if self.next() == "]":
            self.at += 1
            return items
        while True:
            items.append(self.value(depth))
            mark = self.next()
            self.at += 1
            if mark == "]":
                return items
            if mark != ",":
                raise Bad

    def string(self) -> str:
        self.at += 1
        letters: list[str] = []
        while True:
            letter = self.text[self.at : self.at + 1]
            self.at += 1
            if not letter or letter < " ":
                raise Bad
            if letter == '"':
                break
            letters.append(self.escape() if letter == "\\" else letter)
        found = "".join(letters).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        self.strings.append(found)
        return found

    def escape(self) -> str:
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter]
        match = _HEX.match(self.text, self.at)
        if letter != "u" or not match:
            raise Bad
        self.at += 4
        return chr(int(match[0], 16))


def broken_rules(row: bytes) -> set[str]:
    """The rules that a line breaks; empty for a good one."""
    try:
        parser = Parser(row.decode("utf-8"))
        value = parser.document()
    except (UnicodeDecodeError, Bad):
        return {"R1"}
    broken = set()
    if parser.constants or parser.repeated or any(re.search("[\ud800-\udfff]", text) for text in parser.strings):
        broken.add("R1")
    if not isinstance(value, Pairs):
        return {"R1"}
    return broken | _messages(value)


def _messages(row: Pairs) -> set[str]:
    if "messages" not in row or not isinstance(row.get("messages"), list):
        return {"R2"}
    messages = row.get("messages")
    if not messages:
        return {"R2"}
    broken = set()
    letters = ""
    for message in messages:
        if not isinstance(message, Pairs):
            broken.add("R3")
            letters += "?"
            continue
        if "role" not in message or "content" not in message or not isinstance(message.get("content"), str):
            broken.add("R3")
        role = message.get("role") if "role" in message else None
        known = {"system": "s", "user": "u", "assistant": "a"}.get(role) if isinstance(role, str) else None
        if "role" in message and known is None:
            broken.add("R4")
        letters += known or "?"
    if "s" in letters[1:]:
        broken.add("R5")
    turns = letters.replace("s", "")
    if turns.startswith("a"):
        broken.add("R6")
    if "uu" in turns or "aa" in turns or turns.endswith("u"):
        broken.add("R7")
    if "?" not in turns and "ua" not in turns:
        broken.add("R7")
    return broken
