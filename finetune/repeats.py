"""Recognises a model that says the same again and again and would do so to its last token."""

from collections.abc import Iterator

# So much has to be said, of it so much by the repeated piece alone, so often; a longer piece less often.
_LEAST = 400
_TIMES, _SHORT_PIECE = 6, 200
_FEW_TIMES, _LONGEST_PIECE = 5, 1500
_TAIL = _FEW_TIMES * _LONGEST_PIECE
# By so much of its end a longer piece is looked for, in so many places.
_SIGN, _PLACES = 60, 4
_RULES = frozenset("-=_*·. \n|")


def repeats(text: str) -> int:
    """How many characters at the end only say again what stands before them; 0 for anything that may be meant.

    A piece of 1 to 200 characters counts that fills the last 400 at least and is said six times at least; one of up to
    1,500 that fills the last 1,200 and is said five times. Poems, lists and tables do repeat themselves, but not
    exactly and for so long.
    """
    if len(text) < _LEAST:
        return 0
    tail = text[-_TAIL:]
    for size in _sizes(tail):
        piece = tail[-size:]
        if tail[-2 * size : -size] != piece or not piece.strip():
            continue
        length = size
        while length < len(tail) and tail[-length - 1] == tail[-length - 1 + size]:
            length += 1
        needed = min(_TIMES * size, max(_TIMES * _SHORT_PIECE, _FEW_TIMES * size))
        if length >= max(_LEAST, needed) and not set(piece) <= _RULES:
            return length - size
    return 0


def _sizes(tail: str) -> Iterator[int]:
    """Sizes that a repeated piece at the end may have, smallest first."""
    yield from range(1, _SHORT_PIECE + 1)
    sign, end = tail[-_SIGN:], len(tail) - 1 - _SHORT_PIECE
    for _ in range(_PLACES):
        at = tail.rfind(sign, 0, max(0, end))
        size = len(tail) - _SIGN - at
        if at < 0 or size > _LONGEST_PIECE:
            return
        yield size
        end = at + _SIGN - 1
