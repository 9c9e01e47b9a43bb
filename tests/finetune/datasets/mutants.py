"""Files of chat messages with every kind of oddity, made from a number, so that a bad one can be made again."""

import json
import random

from tests.finetune.datasets.samples import chat

# What contents are made of: what escapes, what only looks like it, what is white, and what a tokenizer may take badly.
_PIECES = (
    *("明天出门好吗？", "带伞。", "Good luck", "é", "\u3000", "“引”", "😀", "ж", "\u2028", "\x85", "\xa0", "\x7f"),
    *("\n", "\t", " ", '"', "\\", "/", "\b", "\x0b", "\x1f", '\\"', "\\\\", '": "', '"}]}', '"}, {"role": "user'),
    *(
        "<",
        "</s>",
        "<s>",
        "<|im_end|>",
        "<｜x｜>",
        "<bos>",
        "<b>",
        "<sp",
        "<<SYS>>",
        "[INST]",
        "[/INST]",
        "[INS",
        "<eos",
    ),
    *("{", "{{", "{{name}}", "{ {", "[", "]", "}", "}}", "[1]", "x" * 300, "长" * 90, "ab" * 400),
)
_INSERTS = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r", b"\n", b"\x00", b"\x1f", b"\x7f", b"\r\n"),
    *(b"\xff", b"\xc0\x80", b"\xc1\xbf", b"\xe4\xb8", b"\xe4", b"\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xc3"),
    *(b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe0\x80\x80", b"\xf0\x9f\x98", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80"),
    *(b"\\n", b'\\"', b"\\\\", b"\\/", b"\\u4e2d", b"\\u0041", b"\\ud83d", b"\\u001f", b"\\x", b"\\u12", b"\\u003c"),
    *(b"null", b"1", b"NaN", b"[]", b'""', b'"role": "user", ', b'"content": "x", ', b', {"role": "user"}', b"<|x|>"),
    *(b"user", b"system", b"assistant", b'"messages"', b'"role"', b"{{a}}", b"[INST]", b'"}]}', b'{"messages": [{'),
)
_ROLES = ("system", "user", "assistant")


def _content(chance: random.Random) -> str:
    return "".join(chance.choices(_PIECES, k=chance.randint(0, 4))) or chance.choice(("问", "", "答"))


def _plain_row(chance: random.Random) -> dict[str, object]:
    system = chance.choice((None, "你是算命先生。", "Be brief.", _content(chance)))
    safe = ("明天出门好吗？", "带伞。", "Good luck", "é", "“引”", "😀", "\n", '"', "\\", "[1]", "<b>", "{x", "a" * 100)
    contents = ["".join(chance.choices(safe, k=chance.randint(1, 4))) for _ in range(2 * chance.randint(1, 3))]
    return chat(*contents, system=system)


def _odd_row(chance: random.Random) -> dict[str, object]:
    row = chat(*(_content(chance) for _ in range(chance.randint(0, 5))), system=chance.choice((None, "", "你好")))
    for message in row["messages"]:
        if chance.random() < 0.15:
            message["role"] = chance.choice((*_ROLES, "tool", "User", "", "usex"))
        if chance.random() < 0.05:
            message["name"] = "x"
    if chance.random() < 0.1:
        row["id"] = 1
    return row


def _line(chance: random.Random, separators: tuple[str, str]) -> bytes:
    make = _plain_row if chance.random() < 0.6 else _odd_row
    if chance.random() < 0.1:
        separators = chance.choice(((", ", ": "), (",", ":"), (", ", ":")))
    line = json.dumps(make(chance), ensure_ascii=chance.random() < 0.05, separators=separators).encode()
    if chance.random() < 0.25:
        line = _mutated(chance, line)
    return line


def _mutated(chance: random.Random, line: bytes) -> bytes:
    row = bytearray(line)
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(row))
        match chance.randint(0, 4):
            case 0 | 1:
                row[at:at] = chance.choice(_INSERTS)
            case 2:
                del row[at : at + chance.randint(1, 8)]
            case 3:
                row[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                begin = chance.randint(0, len(row))
                row[at:at] = row[begin : begin + chance.randint(1, 40)]
    return bytes(row)


def file_of(number: int) -> bytes:
    """A file of about fifteen lines; some are the same as others, or say the same in another spelling."""
    chance = random.Random(number)  # noqa: S311
    separators = chance.choice(((", ", ": "), (",", ":")))
    lines = [_line(chance, separators) for _ in range(chance.randint(1, 26))]
    for _ in range(chance.randint(0, 4)):
        again = chance.choice(lines)
        try:
            spelled = json.dumps(json.loads(again), ensure_ascii=chance.random() < 0.3).encode()
        except (ValueError, RecursionError):
            spelled = again
        lines.insert(chance.randint(0, len(lines)), chance.choice((again, spelled)))
    end = b"\r\n" if chance.random() < 0.05 else b"\n"
    data = end.join(lines) + chance.choice((end, end, b"", b"\n\n"))
    return b"\xef\xbb\xbf" + data if chance.random() < 0.03 else data
