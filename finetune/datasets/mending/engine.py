"""One pass that mends: rows in, a file of messages and the book of changes out.

The new file is JSON Lines of messages, whatever shape the old one had. A row that is not put right is carried over as
it is, with its error, so that nothing disappears unless leaving it out was wished for. (A row of which no text could
be read at all cannot be carried over; the book says so.)
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.findings import Problem
from finetune.datasets.formats import DatasetFormat, Message
from finetune.datasets.formats.common import ROLE_CONTENT
from finetune.datasets.judge import problems_of
from finetune.datasets.mending.changes import Book, Changes
from finetune.datasets.mending.conversation import CONVERSATIONS, trimmed, with_system
from finetune.datasets.mending.kinds import FINDINGS, LEAVE_OUT, Wish
from finetune.datasets.mending.lengths import Count, counter, split_row
from finetune.datasets.mending.repair import repaired
from finetune.datasets.source import opened
from finetune.progress import Moved, nobody

# A repair may uncover the next thing to repair in the same text.
_MOST_REPAIRS = 8
_UNREADABLE = "unreadable"
# What JSON takes for white space, and nothing else.
_WHITE = b" \t\r\n"


def mend(
    source: Path,
    target: Path,
    wish: Wish,
    *,
    name: str,
    reading: str | None = None,
    tokenizer: Path | None = None,
    moved: Moved = nobody,
) -> Changes:
    """Write ``target`` from ``source``, synced, and tell ``moved`` how far it is.

    Raises :class:`DatasetError` for what is no dataset.
    """
    near = _near_rows(source, target.parent, name, reading) if "near_duplicates" in wish.names else frozenset()
    with opened(source, name, target.parent, reading, moved) as content, target.open("wb") as out:
        run = _Run(content.format, wish, out, near, counter(tokenizer) if "split_long" in wish.names else len)
        for line, row, found in content.rows:
            run.take(line, row, found)
        out.flush()
        os.fsync(out.fileno())
    return run.book.close()


def _near_rows(source: Path, folder: Path, name: str, reading: str | None) -> frozenset[tuple[int, int | None]]:
    """The places of rows that say what an earlier one says, in other words."""
    from finetune.datasets.near import Near

    near, places = Near(sample=False), []
    with opened(source, name, folder, reading) as content:
        for line, row, found in content.rows:
            messages = None if isinstance(found, Problem) else content.format.quick(found)
            if messages is None and isinstance(found, bytes):
                messages = content.format.careful(found).messages
            if messages:
                near.add(messages)
                places.append((line, row))
    labels = near.groups().labels.tolist() if places else []
    return frozenset(place for number, (place, label) in enumerate(zip(places, labels, strict=True)) if label != number)


class _Run:
    """The state of one pass."""

    def __init__(
        self,
        shape: DatasetFormat,
        wish: Wish,
        out: BinaryIO,
        near: frozenset[tuple[int, int | None]],
        count: Count,
    ) -> None:
        self._format = shape
        self._wish = wish
        self._out = out
        self._near = near
        self._count = count
        self._seen: set[int] = set()
        self.book = Book()

    def take(self, line: int, row: int | None, found: bytes | Problem) -> None:
        """One row of the source."""
        if isinstance(found, Problem):
            if found.code not in ("missing_comma", "trailing_comma"):  # those stand between rows
                self.book.rows_before += 1
                self.book.left_out(line, row, "", _UNREADABLE)
            return
        if found.endswith(b"\r") and "line_ends" in self._wish.names:
            found = found[:-1]
            self.book.counted("line_ends")
        blank = not found.strip(_WHITE)
        self.book.rows_before += not blank
        for piece, repairs in self._repaired(found):
            if piece is None:
                self.book.changed(line, row, found.decode("utf-8", "replace"), "", repairs)
            else:
                self._piece(line, row, found, piece, repairs)

    def _repaired(self, row: bytes, depth: int = 0) -> Iterator[tuple[bytes | None, tuple[str, ...]]]:
        """The rows that a row's text becomes, each with what was done; None where nothing is left."""
        if self._format.quick(row) is not None or depth == _MOST_REPAIRS:
            yield row, ()
            return
        for problem in self._format.careful(row).problems:
            mend_name = _mend_of(problem.code)
            if mend_name not in self._wish.names:
                continue
            pieces = repaired(row, problem.code)
            if pieces is None or pieces == [row]:
                continue
            if not pieces:
                yield None, (mend_name,)
            for piece in pieces:
                for text, others in self._repaired(piece, depth + 1):
                    yield text, (mend_name, *others)
            return
        yield row, ()

    def _piece(self, line: int, row: int | None, before: bytes, piece: bytes, repairs: tuple[str, ...]) -> None:
        messages, done = self._conversation(piece)
        names = tuple(dict.fromkeys((*repairs, *done)))
        old = _legible(before)
        if messages is None:
            self._carry(line, row, old, piece, names)
        elif not messages:
            self.book.left_out(line, row, old, names[-1] if names else LEAVE_OUT)
        elif "duplicates" in self._wish.names and not self._is_new(messages):
            self.book.left_out(line, row, old, "duplicates")
        elif (line, row) in self._near:
            self.book.left_out(line, row, old, "near_duplicates")
        elif "split_long" in self._wish.names and (parts := split_row(messages, self._wish.limit, self._count)):
            written = [orjson.dumps({"messages": part}, option=orjson.OPT_APPEND_NEWLINE) for part in parts]
            for new in written:
                self._write(new)
            self.book.changed(line, row, old, b"".join(written).decode(), (*names, "split_long"))
        else:
            new = orjson.dumps({"messages": messages}, option=orjson.OPT_APPEND_NEWLINE)
            self._write(new)
            if names:
                self.book.changed(line, row, old, new.decode(), names)

    def _conversation(self, piece: bytes) -> tuple[list[Message] | None, tuple[str, ...]]:
        """The messages of a row without an error and what was done to them; None where an error is left."""
        messages: list[Any] | None = self._format.quick(piece)
        done: list[str] = []
        if messages is None:
            reading = self._format.careful(piece)
            messages = reading.messages
            wanted = {_mend_of(problem.code) for problem in reading.problems} & set(self._wish.names)
            rough = messages if messages is not None else self._rough(piece)
            if rough is not None and wanted:
                messages, done = self._mended(rough, messages is not None)
        if not messages:
            return messages, tuple(done)
        return self._as_wished(messages, done)

    def _mended(self, rough: list[Any], was_good: bool) -> tuple[list[Any] | None, list[str]]:
        done = []
        for mend_name, work in CONVERSATIONS.items():
            if mend_name in self._wish.names:
                after = work(rough)
                if after != rough:
                    rough = after
                    done.append(mend_name)
        if rough and any(problem.is_error for problem in problems_of({"messages": rough})):
            return None, []
        kept = [{"role": message["role"], "content": message["content"]} for message in rough]
        return (kept, done) if done or was_good else (None, [])

    def _as_wished(self, messages: list[Message], done: list[str]) -> tuple[list[Message], tuple[str, ...]]:
        """What was wished for by name, of a good conversation."""
        for mend_name in self._wish.names:
            after = messages
            if mend_name == "trim":
                after = trimmed(messages)
            elif mend_name in ("system", "unify_system"):
                after = with_system(messages, self._wish.system)
            elif mend_name == "mask":
                from finetune.datasets.personal import masked

                after = [{**message, "content": masked(message["content"])} for message in messages]
            if after != messages:
                messages = after
                done.append(mend_name)
        return messages, tuple(done)

    def _rough(self, piece: bytes) -> list[Any] | None:
        try:
            value = decode(piece, ()).value
        except Unreadable:
            return None
        rough = self._format.rough(value)
        return rough if rough and all(isinstance(message, dict) for message in rough) else None

    def _is_new(self, messages: Sequence[Message]) -> bool:
        fingerprint = hash(tuple((message["role"], message["content"]) for message in messages))
        known = fingerprint in self._seen
        self._seen.add(fingerprint)
        return not known

    def _carry(self, line: int, row: int | None, old: str, piece: bytes, names: tuple[str, ...]) -> None:
        """A row with an error: left out if that was wished for, else as it is, as messages if it has any."""
        if LEAVE_OUT in self._wish.names:
            self.book.left_out(line, row, old, LEAVE_OUT)
            return
        if not piece.strip(_WHITE):
            self._write(b"\n")
            return
        kept = piece if self._format.rows_are_messages else self._in_messages(piece)
        self._write(kept.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
        if names:
            self.book.changed(line, row, old, _legible(kept), names)

    def _in_messages(self, piece: bytes) -> bytes:
        try:
            value = decode(piece, ()).value
        except Unreadable:
            return piece
        rough = self._format.rough(value)
        if rough is None:
            return piece
        return orjson.dumps({"messages": [_bare(message) for message in rough]})

    def _write(self, row: bytes) -> None:
        self._out.write(row)
        self.book.rows_after += bool(row.strip(_WHITE))


def _bare(message: Any) -> Any:
    """A message without what no rule knows."""
    return {key: message[key] for key in ROLE_CONTENT if key in message} if isinstance(message, dict) else message


def _legible(row: bytes) -> str:
    """A row to read beside another one: written the same way if it can be."""
    try:
        return orjson.dumps(orjson.loads(row)).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return row.decode("utf-8", "replace")


def _mend_of(code: str) -> str | None:
    return next((name for name, codes in FINDINGS.items() if code in codes), None)
