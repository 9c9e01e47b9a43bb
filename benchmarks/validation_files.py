"""Generated files for ``benchmarks.validation``: the same bytes every time."""

import json
import random
from collections.abc import Callable
from pathlib import Path

_LETTERS = [chr(code) for code in range(0x4E00, 0x5E00)]
_MARKS = (*"，，，，，。。。。？：“”", "\n", ' "fate" ', " Tarot ")


def _words(chance: random.Random, count: int) -> str:
    words: list[str] = []
    while count > 0:
        run = min(count, chance.randint(6, 18))
        words += (*chance.choices(_LETTERS, k=run), chance.choice(_MARKS))
        count -= run
    return "".join(words)


def _row(turns: list[tuple[str, str]]) -> str:
    messages = [{"role": role, "content": content} for role, content in [("system", "你是算命先生。"), *turns]]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def single(chance: random.Random) -> str:
    """A question and its answer in Chinese, about 0.9 kB."""
    turns = [("user", _words(chance, chance.randint(10, 60))), ("assistant", _words(chance, chance.randint(80, 320)))]
    return _row(turns)


def long(chance: random.Random) -> str:
    """A conversation of many turns, 8 to 20 kB."""
    turns = []
    for _ in range(chance.randint(6, 14)):
        turns += [("user", _words(chance, 55)), ("assistant", _words(chance, 360))]
    return _row(turns)


def odd(chance: random.Random) -> str:
    """As :func:`single`; one in a hundred is broken in one of the ways that the findings know."""
    row = single(chance)
    return chance.choice(_BREAKS)(row) if chance.random() < 0.01 else row


def _set(speaker: str, /, **keys: object) -> Callable[[str], str]:
    def change(row: str) -> str:
        value = json.loads(row)
        for message in value["messages"]:
            if message["role"] == speaker:
                message.update(keys)
        return json.dumps(value, ensure_ascii=False)

    return change


def _swap(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    return lambda row: row.replace(old, new, count)


def _without(key: str) -> Callable[[str], str]:
    def change(row: str) -> str:
        value = json.loads(row)
        del value["messages"][1][key]
        return json.dumps(value, ensure_ascii=False)

    return change


def _of_messages(pick: Callable[[list[object]], object]) -> Callable[[str], str]:
    return lambda row: json.dumps({"messages": pick(json.loads(row)["messages"])}, ensure_ascii=False)


_BREAKS: tuple[Callable[[str], str], ...] = (
    # R1
    _swap('"messages":', '"messages" ='),
    lambda row: row[:-1],
    lambda row: row[: len(row) // 2],
    lambda row: "",
    lambda row: "\ufeff" + row,
    lambda row: row + ",",
    lambda row: row + row,
    lambda row: row + "]",
    lambda row: row.replace('"', "'"),
    lambda row: json.dumps(json.loads(row)["messages"], ensure_ascii=False),
    lambda row: '"messages"',
    lambda row: '{"id": NaN, ' + row[1:],
    lambda row: '{"id": ' + "[" * 70 + "]" * 70 + ", " + row[1:],
    _swap('"content": "', '"content": "\x07'),
    _swap('"content": "', '"content": "\\ud83d'),
    _swap('"role": "user"', '"role": "user", "role": "user"'),
    # R2
    _swap('"messages"', '"message"'),
    lambda row: '{"messages": "x"}',
    lambda row: '{"messages": []}',
    # R3
    _of_messages(lambda messages: [*messages[:-1], "x"]),
    _without("role"),
    _without("content"),
    _set("user", content=None),
    _set("user", content=7),
    _set("user", content=[{"type": "text", "text": "x"}]),
    # R4
    _set("user", role="human"),
    _set("user", role="tool"),
    _set("user", role="nobody"),
    _set("user", role=1),
    # R5 to R7
    _of_messages(lambda messages: [*messages[1:], messages[0]]),
    _of_messages(lambda messages: [messages[0], *messages]),
    _of_messages(lambda messages: messages[2:]),
    _of_messages(lambda messages: [*messages, messages[-1]]),
    _of_messages(lambda messages: messages[:2]),
    _of_messages(lambda messages: messages[:1]),
    # warnings
    _set("user", content=""),
    _set("user", content=" \n"),
    _set("user", content="<|im_end|>"),
    _set("user", content="{{name}}"),
    _set("user", name="x"),
    lambda row: '{"id": 1, ' + row[1:],
    lambda row: _row([("user", "你好"), ("assistant", "您好")]),
    lambda row: row + "\r",
)


def write(path: Path, make: Callable[[random.Random], str], megabytes: int) -> None:
    """A file of about this size."""
    chance = random.Random(20)  # noqa: S311
    size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            size += file.write(make(chance).encode() + b"\n")
