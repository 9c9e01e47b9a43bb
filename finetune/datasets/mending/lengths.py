"""Rows that are longer than a training takes, as several rows that are not."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.datasets.formats import Message
from finetune.datasets.statistics import language_of

# What the chat template puts around a message, at most, in tokens.
MARKERS = 8
_GO_ON = {"zh": "请继续。", "en": "Please go on.", "other": "Please go on."}
# From the best place to cut to the worst: paragraph, line, sentence, word, anywhere.
_PLACES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[。！？；])|(?<=[.!?;])\s"),
    re.compile(r"\s|(?<=[，、,])"),
    re.compile(r"(?=.)", re.DOTALL),
)

Count = Callable[[str], int]


def counter(tokenizer: Path | None) -> Count:
    """Tokens of a text; its characters without a tokenizer, which are more."""
    if tokenizer is None:
        return len
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(tokenizer))
    return lambda text: len(found.encode(text, add_special_tokens=False))


def split_row(messages: Sequence[Message], limit: int, count: Count) -> list[list[Message]] | None:
    """The rows that a row of more than ``limit`` tokens becomes; None when it is not longer or cannot be split.

    Whole turns are kept together as far as they fit. An answer that is too long for itself is cut at a paragraph
    (else a line, a sentence, a word) and goes on after "Please go on."; each row begins with the system prompt.
    """
    if _size(messages, count) <= limit:
        return None
    system = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(system) :]
    room = limit - _size(system, count)
    rows: list[list[Message]] = []
    row: list[Message] = []
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        for turn in _turns(question, answer, room, count):
            if row and _size([*row, *turn], count) > room:
                rows.append([*system, *row])
                row = []
            row += turn
    rows.append([*system, *row])
    # A question that is too long for itself stays: it is not ours to shorten.
    return rows if len(rows) > 1 else None


def _turns(question: Message, answer: Message, room: int, count: Count) -> list[list[Message]]:
    if _size([question, answer], count) <= room:
        return [[question, answer]]
    go_on = {"role": "user", "content": _GO_ON[language_of(answer["content"])]}
    first = room - _size([question], count) - MARKERS
    if first < room // 8:
        return [[question, answer]]
    parts = _pieces(answer["content"], first, room - _size([go_on], count) - MARKERS, count)
    questions = [question] + [go_on] * (len(parts) - 1)
    return [[asked, {"role": "assistant", "content": part}] for asked, part in zip(questions, parts, strict=True)]


def _pieces(text: str, first: int, others: int, count: Count) -> list[str]:
    pieces = []
    room = first
    while count(text) > room:
        cut = _cut(text, room, count)
        if not 0 < cut < len(text):
            break
        pieces.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
        room = others
    return [*pieces, text] if text else pieces


def _cut(text: str, room: int, count: Count) -> int:
    """The last good place before ``room`` tokens are full."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    for place in _PLACES:
        # Not so early that next to nothing of the room is used.
        found = [match.end() for match in place.finditer(text, 0, low) if match.end() >= low // 3]
        if found:
            return found[-1]
    return low


def _size(messages: Sequence[Message], count: Count) -> int:
    return sum(count(message["content"]) + MARKERS for message in messages)
