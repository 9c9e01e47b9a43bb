"""Telegram's updates as our events."""

import mimetypes
import re

from telegram import (
    CallbackQuery,
    Chat,
    ChatMember,
    ChatMemberRestricted,
    ChatMemberUpdated,
    MessageEntity,
    Update,
    User,
)
from telegram import Message as TelegramMessage
from telegram.constants import ChatMemberStatus, ChatType

from bot.chat.events import Edit, Event, Message, Moved, Presence, Press, Upload
from bot.chat.places import Account, MessageRef, Place, PlaceKind

NAME = "telegram"
ALLOWED_UPDATES = (Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)

_COMMAND = re.compile(r"/([A-Za-z0-9_]+)(?:@([A-Za-z0-9_]+))?(?=\s|$)")


def event_of(update: Update, me: User) -> Event | None:
    """What a person did or what became of a chat, or ``None`` if this is not for us.

    Telegram reports an edit when it adds a link's preview, too: whoever receives an edit has to compare the texts.
    """
    event_id = str(update.update_id)
    if update.message is not None:
        return _moved(update.message) or _message(event_id, update.message, me)
    if update.edited_message is not None:
        said = _message(event_id, update.edited_message, me)
        return Edit(said.id, said.place, said.author, said.ref, said.text) if said is not None and said.text else None
    if update.callback_query is not None:
        return _press(event_id, update.callback_query)
    if update.my_chat_member is not None:
        return _presence(event_id, update.my_chat_member)
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


def _moved(message: TelegramMessage) -> Moved | None:
    here = message.chat.id
    old, new = message.migrate_from_chat_id or here, message.migrate_to_chat_id or here
    if old == new:
        return None
    # Both chats tell of the move. The same id makes the second one a repeat of the first, whichever that is.
    return Moved(f"moved:{old}:{new}", Place(NAME, str(old), kind=PlaceKind.GROUP), str(new))


def _presence(event_id: str, update: ChatMemberUpdated) -> Presence | None:
    if update.chat.type == ChatType.CHANNEL:
        return None
    return Presence(event_id, _place(update.chat, None), _may_write(update.new_chat_member))


def _may_write(me: ChatMember) -> bool:
    if isinstance(me, ChatMemberRestricted):
        return me.is_member and me.can_send_messages
    return me.status in (ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.OWNER)


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
