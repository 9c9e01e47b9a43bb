"""Recognises a model that says the same again and again and would do so to its last token."""

# So much has to be said, of it so much by the repeated piece alone, so often.
_LEAST = 400
_TAIL = 1200
_TIMES = 6
_LONGEST_PIECE = 200


def repeats(text: str) -> int:
    """How many characters at the end only say again what stands before them; 0 for anything that may be meant.

    A piece of 1 to 200 characters counts that fills the last 400 at least and is said six times at least. Poems,
    lists and tables do repeat themselves, but not exactly and for so long.
    """
    if len(text) < _LEAST:
        return 0
    tail = text[-_TAIL:]
    for size in range(1, _LONGEST_PIECE + 1):
        piece = tail[-size:]
        if tail[-2 * size : -size] != piece or not piece.strip():
            continue
        length = size
        while length < len(tail) and tail[-length - 1] == tail[-length - 1 + size]:
            length += 1
        if length >= max(_LEAST, _TIMES * size) and not set(piece) <= set("-=_*·. \n|"):
            return length - size
    return 0
