"""Server-sent events, as a stream of bytes brings them."""

from collections.abc import AsyncIterator

# An event that does not end is no event: a broken server must not fill the memory.
_LONGEST = 1 << 20


class EventTooLong(Exception):
    """More bytes than any event has, without an end."""


async def data_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The ``data`` of each event. Whatever else an event has is left out; lines end as the standard allows."""
    kept = b""
    data: list[bytes] = []
    async for piece in pieces:
        kept += piece
        *lines, kept = kept.split(b"\n")
        for ended in lines:
            line = ended.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and data:
                yield b"\n".join(data)
                data = []
        if len(kept) > _LONGEST:
            raise EventTooLong
    if kept.startswith(b"data:"):
        data.append(kept[5:].strip())
    if data:
        yield b"\n".join(data)
