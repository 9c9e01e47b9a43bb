"""Rows of a file in bounded memory: lines, split at ``\\n`` only, or the elements of one JSON array."""

from collections.abc import Iterable, Iterator

from finetune.datasets.findings import Problem

MAX_ROW_BYTES = 16 << 20

# Where a row begins (1-based line), its 1-based number in an array, and its bytes or why there are none.
Row = tuple[int, int | None, bytes | Problem]

TOO_LONG = Problem("too_long", None, {"limit": str(MAX_ROW_BYTES >> 20)})


def lines(chunks: Iterable[bytes]) -> Iterator[Row]:
    """Every line without its ``\\n``; nothing after the last ``\\n`` is no line."""
    number = 1
    rest: list[bytes] = []
    held = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held += len(first)
        if held <= MAX_ROW_BYTES:
            rest.append(first)
        else:
            rest.clear()
        if not others:
            continue
        yield number, None, b"".join(rest) if held <= MAX_ROW_BYTES else TOO_LONG
        number += 1
        last = others.pop()
        for line in others:
            yield number, None, line if len(line) <= MAX_ROW_BYTES else TOO_LONG
            number += 1
        rest, held = [last], len(last)
    if held:
        yield number, None, b"".join(rest) if held <= MAX_ROW_BYTES else TOO_LONG
