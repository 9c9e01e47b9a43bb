"""What a job's handle carries: the provider's id, and what people told since.

The handle is all that is kept of a job at its provider, so nothing is remembered beside the database.
"""

from urllib.parse import parse_qsl, urlencode


def pack(identifier: str, **facts: str) -> str:
    """``identifier?name=value&…``, empty facts left out; the same facts always give the same text."""
    kept = sorted((name, value) for name, value in facts.items() if value)
    return f"{identifier}?{urlencode(kept)}" if kept else identifier


def unpack(handle: str) -> tuple[str, dict[str, str]]:
    """The inverse of :func:`pack`."""
    identifier, _, query = handle.partition("?")
    return identifier, dict(parse_qsl(query))


def told(handle: str, **facts: str) -> str:
    """The handle with these facts in it; an empty one takes a fact out."""
    identifier, known = unpack(handle)
    return pack(identifier, **{**known, **facts})
