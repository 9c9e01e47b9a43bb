"""Discord's messages and interactions, as the API writes them, as our events."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat.events import Edit, Message, Upload
from bot.chat.places import Account, MessageRef, Place, PlaceKind

NAME = "discord"
Raw = Mapping[str, Any]

_DEFAULT, _REPLY = 0, 19  # the types of messages that people write
_SLASH = re.compile(r"^i(\d+)u(\d+)$")
_ATTACHMENT = re.compile(r"^(\d*)/(\d*)/(\d+)/(https?://\S+)$")


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are: the bot's id, and the application's."""

    id: str
    application: str


def place_of(channel: str, guild: str) -> Place:
    """A thread is a channel of its own, and so is the conversation in it."""
    return Place(NAME, channel, kind=PlaceKind.GROUP if guild else PlaceKind.PRIVATE)


def account_of(user: Raw, member: Raw | None = None, language: str | None = None, role: str | None = None) -> Account:
    """Whoever wrote or pressed."""
    name = (member or {}).get("nick") or user.get("global_name") or user.get("username") or ""
    return Account(NAME, str(user["id"]), name, language, role)


def command_ref(place: Place, interaction: str, user: str) -> MessageRef:
    """What stands for a command that no message was written for."""
    return MessageRef(place, f"i{interaction}u{user}")


def command_of(ref: MessageRef | None) -> tuple[str, str] | None:
    """(interaction, user) of such a reference."""
    match = _SLASH.match(ref.id) if ref is not None else None
    return (match.group(1), match.group(2)) if match else None


def written(raw: Raw) -> bool:
    """Whether a person wrote this message."""
    author = raw.get("author") or {}
    ours = author.get("bot") or author.get("system") or raw.get("webhook_id")
    return not ours and raw.get("type", _DEFAULT) in (_DEFAULT, _REPLY)


def message_of(raw: Raw, guild: str, me: Me, role: str | None = None, language: str | None = None) -> Message | None:
    """What a person wrote; ``None`` if there is nothing in it for us (without the message content intent, too)."""
    place = place_of(str(raw["channel_id"]), guild)
    text, mentioned = _without_mentions(str(raw.get("content") or ""), raw, me)
    uploads = tuple(_upload(raw, attachment) for attachment in raw.get("attachments") or ())
    if not text and not uploads:
        return None
    ref = MessageRef(place, str(raw["id"]))
    addressed = not guild or mentioned or text.startswith("/")
    author = account_of(raw["author"], raw.get("member"), language or None, role)
    return Message(f"m{raw['id']}", place, author, ref, text, uploads, addressed)


def edit_of(raw: Raw, guild: str, me: Me) -> Edit | None:
    """What a person changed; ``None`` where Discord only added the preview of a link."""
    if not raw.get("edited_timestamp") or "author" not in raw:
        return None
    said = message_of(raw, guild, me)
    if said is None or not said.text:
        return None
    return Edit(f"e{raw['id']}.{raw['edited_timestamp']}", said.place, said.author, said.ref, said.text)


def upload_of(attachment: Raw, channel: str = "", message: str = "") -> Upload:
    """A file; its handle finds a fresh address once the signed one is over."""
    handle = f"{channel}/{message}/{attachment['id']}/{attachment['url']}"
    # ``filename`` is what Discord made of the name; ``title`` keeps the letters that it took out.
    name = str(attachment.get("filename") or "file")
    title = str(attachment.get("title") or "")
    if title and "." in name:
        extension = name.rsplit(".", 1)[1]
        name = title if title.endswith(f".{extension}") else f"{title}.{extension}"
    return Upload(handle, name, attachment.get("size"))


def handle_of(upload: Upload) -> tuple[str, str, str, str] | None:
    """(channel, message, attachment, address) of an upload's handle."""
    match = _ATTACHMENT.match(upload.handle)
    return match.groups() if match else None  # type: ignore[return-value]


def _upload(raw: Raw, attachment: Raw) -> Upload:
    return upload_of(attachment, str(raw["channel_id"]), str(raw["id"]))


def _without_mentions(text: str, raw: Raw, me: Me) -> tuple[str, bool]:
    """The text without our name, and whether it is meant for us: by name, or as a reply."""
    mention = re.compile(rf"[ \t]*<@!?{me.id}>[ \t]*[,，:：]?[ \t]*")
    named = mention.search(text) is not None or any(str(user["id"]) == me.id for user in raw.get("mentions") or ())
    replied = raw.get("referenced_message") or {}
    to_us = str((replied.get("author") or {}).get("id", "")) == me.id
    return mention.sub(" ", text).strip() if named else text.strip(), named or to_us
