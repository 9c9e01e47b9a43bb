"""Telegram's updates as our events."""

import mimetypes
import re

from telegram import CallbackQuery, Chat, MessageEntity, Update, User
from telegram import Message as TelegramMessage
from telegram.constants import ChatType

from bot.chat.events import Event, Message, Press, Upload
from bot.chat.places import Account, MessageRef, Place, PlaceKind

NAME = "telegram"
# Edits are asked for so that a later feature finds them stored at Telegram, and are no events: Telegram also reports
# one when it adds a link's preview, and a corrected typing mistake must not start a second job.
ALLOWED_UPDATES = (Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)

_COMMAND = re.compile(r"/([A-Za-z0-9_]+)(?:@([A-Za-z0-9_]+))?(?=\s|$)")


def event_of(update: Update, me: User) -> Event | None:
    """What a person did, or ``None`` if this is not for us."""
    if update.message is not None:
        return _message(str(update.update_id), update.message, me)
    if update.callback_query is not None:
        return _press(str(update.update_id), update.callback_query)
    return None


def lane_of(update: Update) -> int:
    """The chat in whose order this update stands."""
    if update.effective_chat is not None:
        return update.effective_chat.id
    return update.effective_user.id if update.effective_user is not None else 0


def _message(event_id: str, message: TelegramMessage, me: User) -> Message | None:
    author = message.from_user
    if author is None or author.is_bot or message.sender_chat is not None or message.chat.type == ChatType.CHANNEL:
        return None
    text = message.text or message.caption or ""
    uploads = _uploads(message)
    if not text and not uploads:
        return None
    command = _COMMAND.match(text)
    ours = command is not None
    if command is not None and command.group(2):
        if command.group(2).lower() != (me.username or "").lower():
            return None
        text = f"/{command.group(1)}{text[command.end() :]}"
    addressed = True
    if message.chat.type != ChatType.PRIVATE:
        text, mentioned = _without_mentions(message, text, me)
        addressed = ours or mentioned or _replies_to(message, me)
    place = _place(message.chat, message.message_thread_id if message.is_topic_message else None)
    ref = MessageRef(place, str(message.message_id))
    return Message(event_id, place, _account(author), ref, text, uploads, addressed)


def _press(event_id: str, query: CallbackQuery) -> Press | None:
    if query.message is None or query.data is None:
        return None
    thread = None
    if isinstance(query.message, TelegramMessage) and query.message.is_topic_message:
        thread = query.message.message_thread_id
    place = _place(query.message.chat, thread)
    ref = MessageRef(place, str(query.message.message_id))
    return Press(event_id, place, _account(query.from_user), ref, query.data)


def _place(chat: Chat, thread: int | None) -> Place:
    kind = PlaceKind.PRIVATE if chat.type == ChatType.PRIVATE else PlaceKind.GROUP
    return Place(NAME, str(chat.id), "" if thread is None else str(thread), kind)


def _account(user: User) -> Account:
    return Account(NAME, str(user.id), user.full_name, user.language_code)


def _uploads(message: TelegramMessage) -> tuple[Upload, ...]:
    if message.document is not None:
        document = message.document
        name = document.file_name or f"file{mimetypes.guess_extension(document.mime_type or '') or ''}"
        return (Upload(document.file_id, name, document.file_size),)
    if message.photo:
        largest = max(message.photo, key=lambda size: size.width * size.height)
        return (Upload(largest.file_id, f"photo-{largest.file_unique_id}.jpg", largest.file_size),)
    return ()


def _replies_to(message: TelegramMessage, me: User) -> bool:
    # In a topic everything formally replies to the service message that opened it.
    original = message.reply_to_message
    return (
        original is not None
        and original.from_user is not None
        and original.from_user.id == me.id
        and original.forum_topic_created is None
    )


def _without_mentions(message: TelegramMessage, text: str, me: User) -> tuple[str, bool]:
    """The text without the bot's name, and whether the name was in it."""
    name = f"@{me.username}".lower()
    found = {
        piece
        for entity, piece in _pieces(message).items()
        if (entity.type == MessageEntity.MENTION and piece.lower() == name)
        or (entity.type == MessageEntity.TEXT_MENTION and entity.user is not None and entity.user.id == me.id)
    }
    for piece in found:
        text = re.sub(rf"[ \t]*{re.escape(piece)}(?!\w)[ \t]*([,，:：]?)[ \t]*", _seam, text)
    return text.strip(), bool(found)


def _seam(match: re.Match[str]) -> str:
    # At the start of a line nothing is left, not even the comma after the name; within it one blank.
    before = match.string[: match.start()][-1:] or "\n"
    if before == "\n":
        return ""
    return " " if before in ",，:：" else f"{match.group(1)} "


def _pieces(message: TelegramMessage) -> dict[MessageEntity, str]:
    kinds: list[str | None] = [MessageEntity.MENTION, MessageEntity.TEXT_MENTION]
    return message.parse_entities(kinds) if message.text else message.parse_caption_entities(kinds)
