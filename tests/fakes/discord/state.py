"""Servers, channels, messages and interactions of the stand-in."""

import itertools
import re
import time
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord.rules import EPHEMERAL

Json = dict[str, Any]
_EPOCH_MS = 1_420_070_400_000
_numbers = itertools.count(1)


def snowflake() -> str:
    """An id of this moment, later than all before it."""
    return str((int(time.time() * 1000) - _EPOCH_MS << 22) + next(_numbers) % (1 << 22))


_FENCE = re.compile(r"```(?:\w*\n)?(.*?)\n?```", re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_URL = re.compile(r"https?://[^\s<>]+")
_ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
_MARK = re.compile(r"\*\*|\|\||^-# ", re.MULTILINE)


def plain(text: str) -> str:
    """A message's Markdown as it is read: code and addresses as they stand, escapes resolved, marks gone."""
    parts, end = [], 0
    for match in re.finditer(f"{_FENCE.pattern}|{_CODE.pattern}|{_URL.pattern}|{_ESCAPE.pattern}", text, re.DOTALL):
        parts.append(_MARK.sub("", text[end : match.start()]))
        parts.append(next((group for group in match.groups() if group is not None), match.group()))
        end = match.end()
    return "".join([*parts, _MARK.sub("", text[end:])])


@dataclass
class Channel:
    """A text channel, a thread, or direct messages (no server)."""

    id: str
    guild: str = ""
    parent: str = ""
    recipient: str = ""
    deleted: bool = False
    writable: bool = True
    readable: bool = True

    @property
    def body(self) -> Json:
        """As the API writes it."""
        if not self.guild:
            user = {"id": self.recipient, "username": "user", "discriminator": "0", "avatar": None}
            return {"id": self.id, "type": 1, "recipients": [user], "last_message_id": None}
        made: Json = {
            "id": self.id, "type": 11 if self.parent else 0, "guild_id": self.guild, "name": f"channel-{self.id}",
            "position": 0, "permission_overwrites": [], "nsfw": False, "parent_id": self.parent or None,
        }  # fmt: skip
        if self.parent:
            made |= {
                "owner_id": "1", "message_count": 0, "member_count": 1,
                "thread_metadata": {
                    "archived": False, "auto_archive_duration": 60, "locked": False,
                    "archive_timestamp": "2026-11-01T00:00:00+00:00",
                },
            }  # fmt: skip
        return made


@dataclass
class Guild:
    """A server. ``members``: the roles of everybody in it, by user."""

    id: str
    name: str = "Team"
    tier: int = 0
    roles: dict[str, str] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    bot_inside: bool = True


@dataclass
class Shown:
    """A message. ``to``: the only one who sees it."""

    id: str
    channel: str
    author: str
    by_bot: bool
    body: Json
    guild: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    reply_to: str | None = None
    to: str = ""
    deleted: bool = False
    edits: int = 0

    @property
    def text(self) -> str:
        """All words of it."""
        parts = [plain(str(self.body.get("content") or ""))]
        for embed in self.body.get("embeds") or ():
            parts += [plain(embed.get("title", "")), plain(embed.get("description", ""))]
        return "\n".join(part for part in parts if part)

    @property
    def components(self) -> list[Json]:
        """Buttons and menus."""
        return [each for row in self.body.get("components") or () for each in row["components"]]

    @property
    def labels(self) -> list[str]:
        """What its buttons say."""
        return [each["label"] for each in self.components if each["type"] == 2]

    @property
    def choices(self) -> list[Json]:
        """What its menus offer."""
        return [option for each in self.components if each["type"] == 3 for option in each["options"]]

    @property
    def rings(self) -> bool:
        """Whether anybody is notified."""
        mentions = self.body.get("allowed_mentions") or {}
        return bool(mentions.get("users") or (self.reply_to and mentions.get("replied_user")))


@dataclass
class Interaction:
    """Something that a person did with the bot, and what they got for it."""

    id: str
    token: str
    kind: int
    channel: str
    user: str
    began: float
    answer: Json | None = None
    original: str | None = None
    expired: bool = False
    messages: list[str] = field(default_factory=list)

    @property
    def hidden(self) -> bool:
        """Whether the first answer is for one person."""
        data = (self.answer or {}).get("data") or {}
        return bool(data.get("flags", 0) & EPHEMERAL)


@dataclass
class Call:
    """A call of the REST API."""

    method: str
    path: str
    route: str
    body: Any
    at: float
    status: int = 0
    answered: float = 0.0
    storm: float = 0.0
