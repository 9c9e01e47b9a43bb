"""The frames of the WebSocket, both ways. All are JSON objects; what a client sends is checked here."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.platforms.web.bodies import clean
from bot.platforms.web.ports import Entry

LONGEST_TEXT = 20_000
# What the language switch says for the person; nothing else may be said unseen.
_SILENT = re.compile(r"/lang (zh|en)")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
_BIGGEST_ID = 2**63 - 1


class Malformed(ValueError):
    """Not a frame that our page sends."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """``{"since": revision | null}``: the first frame. ``None`` asks for the newest page instead of changes."""

    since: int | None


@dataclass(frozen=True, slots=True)
class Say:
    """``{"send": text, "id": uuid}``, with ``"silent": true`` for the language switch."""

    id: str
    text: str
    silent: bool


@dataclass(frozen=True, slots=True)
class Tap:
    """``{"press": token, "entry": id, "id": uuid}``."""

    id: str
    token: str
    entry: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """``{"before": id}``: the page of history that ends before this entry."""

    before: int


@dataclass(frozen=True, slots=True)
class Ping:
    """``{"ping": 1}``: is anybody there?"""


ClientFrame = Greeting | Say | Tap | Earlier | Ping


def parse(data: str) -> ClientFrame:
    """A client's frame. Raises :class:`Malformed`."""
    try:
        # Not orjson: it refuses the half of a character pair that a browser may send; ``clean`` mends it.
        frame = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if not isinstance(frame, dict):
        raise Malformed
    return next((read(frame) for key, read in _READERS.items() if key in frame), None) or _malformed()


def entry_frame(entry: Entry, previews: Mapping[int, Mapping[str, object]]) -> dict[str, object]:
    """An entry as the page gets it: an unfinished answer as it stands now, without what is ours alone."""
    body = dict(previews.get(entry.id, entry.body))
    for kept in ("reply_to", "attachments"):
        if kept in entry.body:
            body[kept] = entry.body[kept]
    body.pop("handle", None)
    # Nobody is making this answer any more: the process that did has ended.
    if entry.id not in previews and body.get("kind") == "answer" and body.get("state") != "done":
        body["state"] = "lost"
    return {
        "id": entry.id,
        "author": entry.author,
        "revision": entry.revision,
        "created": entry.created.isoformat(),
        "body": body,
    }


def entries_frame(entries: Sequence[Entry], previews: Mapping[int, Mapping[str, object]]) -> dict[str, object]:
    """``{"entries": [...], "revision": n}``: changes, ascending by revision; ``n`` is where the page stands then."""
    return {"entries": [entry_frame(entry, previews) for entry in entries], "revision": entries[-1].revision}


def history_frame(
    entries: Sequence[Entry], previews: Mapping[int, Mapping[str, object]], before: int | None, more: bool
) -> dict[str, object]:
    """``{"history": [...], "before": id | null, "more": bool, "revision": n}``: a page, ascending by id."""
    return {
        "history": [entry_frame(entry, previews) for entry in entries],
        "before": before,
        "more": more,
        "revision": max((entry.revision for entry in entries), default=0),
    }


def _malformed() -> ClientFrame:
    raise Malformed


def message_id(value: object) -> str:
    """The page's own id of something it sends, a UUID. Raises :class:`Malformed`."""

    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Malformed
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _BIGGEST_ID:
        raise Malformed
    return value


def _say(frame: Mapping[str, object]) -> Say:
    text = frame["send"]
    if not isinstance(text, str) or not text.strip():
        raise Malformed
    text = clean(text)
    silent = frame.get("silent") is True and _SILENT.fullmatch(text) is not None
    return Say(message_id(frame.get("id")), text, silent)


def _tap(frame: Mapping[str, object]) -> Tap:
    token = frame["press"]
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Malformed
    return Tap(message_id(frame.get("id")), token, _integer(frame.get("entry")))


def _greeting(frame: Mapping[str, object]) -> Greeting:
    return Greeting(None if frame["since"] is None else _integer(frame["since"]))


_READERS: Mapping[str, Callable[[Mapping[str, object]], ClientFrame]] = {
    "send": _say,
    "press": _tap,
    "since": _greeting,
    "before": lambda frame: Earlier(_integer(frame["before"])),
    "ping": lambda _: Ping(),
}
