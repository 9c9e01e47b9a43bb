"""What the server knows: chats, messages, files, and updates that wait to be read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.telegram.flood import Verdict


@dataclass
class Shown:
    """A message as people see it now. ``keyboard`` holds rows of buttons as the API writes them."""

    id: int
    chat: int
    thread: int | None
    text: str
    entities: list[Mapping[str, Any]]
    keyboard: list[list[dict[str, Any]]]
    by_bot: bool = True
    reply_to: int | None = None
    silent: bool = False
    preview: bool = True
    photo: bytes | None = None
    document: bytes | None = None
    file_name: str = ""
    edits: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """The buttons' labels, row by row."""
        return [button["text"] for row in self.keyboard for button in row]

    def styled(self, kind: str) -> list[str]:
        """The pieces of text that an entity of this type covers."""
        raw = self.text.encode("utf-16-le")
        return [
            raw[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")
            for entity in self.entities
            if entity["type"] == kind
        ]


@dataclass
class Group:
    """A supergroup; with ``topics``, a forum."""

    id: int
    title: str
    kind: str = "supergroup"
    topics: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    moved_to: int | None = None
    # The bot's own standing there, as the API names it.
    member: str = "member"


@dataclass
class Draft:
    """What a person sees being written before it is a message."""

    id: int
    text: str
    entities: list[Mapping[str, Any]]


@dataclass
class StoredFile:
    """A file that somebody sent."""

    id: str
    path: str
    data: bytes
    size: int


@dataclass
class Query:
    """A pressed button that waits for its answer."""

    id: str
    expired: bool = False
    answer: dict[str, Any] | None = None


@dataclass
class Call:
    """One call in the timeline; ``outcome`` is ``ok`` or the error's description.

    Times are ``time.monotonic()``, which on Linux is the same for all processes of a machine; ``answered`` is None
    while the call is at work. ``message`` is the id of the message that was sent or is meant, ``text`` what the call
    wants to show (a caption too).
    """

    method: str
    parameters: dict[str, Any]
    outcome: str = ""
    verdict: Verdict | None = None
    arrived: float = field(default_factory=time.monotonic)
    answered: float | None = None
    message: int | None = None
    retry_after: int | None = None

    @property
    def chat(self) -> int | None:
        """The chat that is meant, if the call has one."""
        raw = str(self.parameters.get("chat_id", ""))
        return int(raw) if raw.removeprefix("-").isdecimal() else None

    @property
    def text(self) -> str | None:
        """What is to be shown; None if the call shows nothing."""
        text = self.parameters.get("text", self.parameters.get("caption"))
        return None if text is None else str(text)


_RIGHTS = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos",
    "can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages",
    "can_add_web_page_previews", "can_change_info", "can_invite_users", "can_pin_messages", "can_manage_topics",
    "can_edit_tag", "can_react_to_messages",
)  # fmt: skip
_ADMIN = (
    "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
    "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories",
)  # fmt: skip


def standing(user: dict[str, Any], status: str) -> dict[str, Any]:
    """A ``ChatMember`` of this status, with the fields that it has to have. ``restricted`` may not write."""
    made: dict[str, Any] = {"user": user, "status": status}
    if status == "kicked":
        made["until_date"] = 0
    elif status == "restricted":
        made |= {"is_member": True, "until_date": 0, **dict.fromkeys(_RIGHTS, False)}
    elif status == "administrator":
        made |= dict.fromkeys(_ADMIN, False)
    return made


class Updates:
    """The queue of one bot: an update is confirmed by asking from beyond it."""

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = []
        self.confirmed: list[int] = []
        self.next_id = 9001
        self.allowed: list[str] | None = None

    def add(self, kind: str, body: dict[str, Any]) -> int:
        """A new update, unless the bot does not want this kind. Returns its id."""
        update_id = self.next_id
        if self.allowed and kind not in self.allowed:
            return update_id
        self.next_id += 1
        self.waiting.append({"update_id": update_id, kind: body})
        return update_id

    def read(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Confirm what is before ``offset`` and read from there.

        As the real server does, a position far beyond the newest update means nothing: its oldest are read.
        """
        if offset < 0:
            self._confirm(self.waiting[:offset])
        elif offset <= self.next_id + 10:
            self._confirm([update for update in self.waiting if update["update_id"] < offset])
        return self.waiting[:limit]

    def confirm_one(self, update_id: int) -> None:
        """An update was taken by a webhook."""
        self._confirm([update for update in self.waiting if update["update_id"] == update_id])

    def _confirm(self, updates: list[dict[str, Any]]) -> None:
        gone = {update["update_id"]: None for update in updates}
        self.confirmed.extend(gone)
        self.waiting = [update for update in self.waiting if update["update_id"] not in gone]
