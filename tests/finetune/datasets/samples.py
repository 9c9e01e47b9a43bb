"""Rows for tests."""

import json
from typing import Any


def chat(*turns: str, system: str | None = "你是算命先生。") -> dict[str, Any]:
    """A good row: questions and answers in turn."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    roles = ("user", "assistant")
    messages += [{"role": roles[index % 2], "content": text} for index, text in enumerate(turns)]
    return {"messages": messages}


def line(row: Any) -> bytes:
    """A row as a line without its end."""
    return json.dumps(row, ensure_ascii=False).encode()


def good(number: int = 12) -> list[bytes]:
    """Lines about which there is nothing to say, all different."""
    return [
        line(chat(f"第{index}问：明天出门好吗？", f"第{index}答：带伞，慢走，遇见好事。")) for index in range(number)
    ]


def text(*lines: bytes) -> bytes:
    """Lines as a file."""
    return b"".join(row + b"\n" for row in lines)


def among_good(*odd: bytes) -> bytes:
    """A file with odd lines from line 13 on."""
    return text(*good(), *odd)


GOOD = good(1)[0].decode()
