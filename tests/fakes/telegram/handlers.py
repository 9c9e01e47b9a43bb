"""What each method does."""

from collections.abc import Callable
from typing import Any

from tests.fakes.telegram.hooks import Hook
from tests.fakes.telegram.parameters import Parameters, Upload, entities_of, keyboard_of, number, thread_of
from tests.fakes.telegram.profile import MOST_DESCRIPTION, MOST_SHORT_DESCRIPTION, Profile
from tests.fakes.telegram.refusals import (
    MOST_CAPTION,
    MOST_TEXT,
    ApiError,
    bad,
    check_photo,
    checked_text,
    parsed,
)
from tests.fakes.telegram.state import Draft, Shown
from tests.fakes.telegram.world import World

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
ACTIONS = frozenset({"typing", "upload_photo", "upload_document", "choose_sticker", "find_location", "record_voice"})


class Handlers:
    """Answers calls from what the world holds."""

    def __init__(self, world: World, hook: Hook) -> None:
        self.world = world
        profile = Profile(world)
        self.table: dict[str, Callable[[Parameters], Any]] = {
            "getMe": lambda _: {**world.me, "can_join_groups": True, "can_read_all_group_messages": False},
            "sendMessage": self._send_message,
            "editMessageText": self._edit_text,
            "editMessageReplyMarkup": self._edit_markup,
            "deleteMessage": self._delete,
            "sendPhoto": self._send_photo,
            "sendDocument": self._send_document,
            "sendChatAction": self._action,
            "answerCallbackQuery": self._answer,
            "getFile": self._get_file,
            "sendMessageDraft": self._draft,
            "setMyCommands": profile.set_commands,
            "deleteMyCommands": profile.delete_commands,
            "getMyCommands": profile.get_commands,
            "setMyShortDescription": lambda p: profile.describe(p, "short_description", MOST_SHORT_DESCRIPTION),
            "setMyDescription": lambda p: profile.describe(p, "description", MOST_DESCRIPTION),
            "setWebhook": hook.set,
            "deleteWebhook": hook.delete,
            "getWebhookInfo": lambda _: hook.info(),
            "setMessageReaction": self._react,
        }

    def _send_message(self, p: Parameters) -> Any:
        text, entities = checked_text(p["text"], entities_of(p, "entities"), MOST_TEXT)
        keyboard = keyboard_of(p)
        message = self._new(p, text)
        message.entities, message.keyboard = entities, keyboard
        message.preview = not parsed(p.get("link_preview_options", "{}"), "link_preview_options").get("is_disabled")
        return self._raw(message)

    def _new(self, p: Parameters, text: str) -> Shown:
        chat, thread = number(p, "chat_id"), thread_of(p)
        self.world.chat_for_bot(chat, thread)
        reply = parsed(p["reply_parameters"], "reply_parameters") if "reply_parameters" in p else None
        reply_to = None
        if reply is not None:
            known = reply["message_id"] in self.world.shown.get(chat, {})
            if not known and not reply.get("allow_sending_without_reply"):
                raise bad("message to be replied not found")
            reply_to = reply["message_id"] if known else None
        message = self.world.new_message(chat, thread, text)
        self.world.drafts.pop(chat, None)
        message.reply_to = reply_to
        message.silent = p.get("disable_notification") == "true"
        return message

    def _raw(self, message: Shown) -> dict[str, Any]:
        raw = message.raw
        raw |= {"from": self.world.me}
        if message.photo is None and message.document is None:
            raw |= {"text": message.text, "entities": message.entities}
        elif message.text:
            raw |= {"caption": message.text}
        raw.pop("reply_markup", None)
        if message.keyboard:
            raw["reply_markup"] = {"inline_keyboard": message.keyboard}
        return raw

    def _own(self, p: Parameters, what: str) -> Shown:
        chat = number(p, "chat_id")
        self.world.chat_for_bot(chat, None)
        message = self.world.shown.get(chat, {}).get(number(p, "message_id"))
        if message is None:
            raise bad(f"message to {what} not found")
        if not message.by_bot:
            raise bad(f"message can't be {what}ed")
        return message

    def _edit_text(self, p: Parameters) -> Any:
        message = self._own(p, "edit")
        if message.photo is not None or message.document is not None:
            raise bad("there is no text in the message to edit")
        text, entities = checked_text(p["text"], entities_of(p, "entities"), MOST_TEXT)
        keyboard = keyboard_of(p)
        if (text, entities, keyboard) == (message.text, message.entities, message.keyboard):
            raise bad(NOT_MODIFIED)
        message.text, message.entities, message.keyboard = text, entities, keyboard
        message.preview = not parsed(p.get("link_preview_options", "{}"), "link_preview_options").get("is_disabled")
        message.edits.append(text)
        message.raw["edit_date"] = self.world.now
        return self._raw(message)

    def _edit_markup(self, p: Parameters) -> Any:
        message, keyboard = self._own(p, "edit"), keyboard_of(p)
        if keyboard == message.keyboard:
            raise bad(NOT_MODIFIED)
        message.keyboard = keyboard
        return self._raw(message)

    def _delete(self, p: Parameters) -> bool:
        message = self._own(p, "delete")
        del self.world.shown[message.chat][message.id]
        return True

    def _send_photo(self, p: Parameters) -> Any:
        upload = p["photo"]
        if not isinstance(upload, Upload):
            raise bad("wrong file identifier/HTTP URL specified")
        check_photo(upload.data)
        message = self._with_caption(p)
        message.photo, message.file_name = upload.data, upload.name
        stored = self.world.store("photos/sent.jpg", upload.data, None)
        size = {"file_id": stored.id, "file_unique_id": stored.id, "width": 90, "height": 90}
        message.raw["photo"] = [size]
        return self._raw(message)

    def _send_document(self, p: Parameters) -> Any:
        upload = p["document"]
        if not isinstance(upload, Upload):
            raise bad("wrong file identifier/HTTP URL specified")
        if len(upload.data) > self.world.most_document:
            raise ApiError(413, "Request Entity Too Large")
        if not upload.data:
            raise bad("file must be non-empty")
        message = self._with_caption(p)
        message.document, message.file_name = upload.data, upload.name
        stored = self.world.store(f"documents/{upload.name}", upload.data, None)
        message.raw["document"] = {"file_id": stored.id, "file_unique_id": stored.id, "file_name": upload.name}
        return self._raw(message)

    def _with_caption(self, p: Parameters) -> Shown:
        text, entities = checked_text(p.get("caption", ""), entities_of(p, "caption_entities"), MOST_CAPTION)
        keyboard = keyboard_of(p)
        message = self._new(p, text)
        message.entities, message.keyboard = entities, keyboard
        return message

    def _draft(self, p: Parameters) -> bool:
        chat = number(p, "chat_id")
        self.world.chat_for_bot(chat, None)
        if chat not in self.world.people:
            raise bad("TEXTDRAFT_PEER_INVALID")
        if number(p, "draft_id") == 0:
            raise bad("DRAFT_ID_INVALID")
        text, entities = checked_text(p.get("text", ""), entities_of(p, "entities"), MOST_TEXT, may_be_empty=True)
        self.world.drafts[chat] = Draft(number(p, "draft_id"), text, entities)
        return True

    def _action(self, p: Parameters) -> bool:
        thread = thread_of(p)
        self.world.chat_for_bot(number(p, "chat_id"), thread)
        if p["action"] not in ACTIONS:
            raise bad("wrong parameter action in request")
        self.world.actions.append((number(p, "chat_id"), p["action"], thread))
        return True

    def _answer(self, p: Parameters) -> bool:
        query = self.world.queries.get(p["callback_query_id"])
        if query is None or query.expired or query.answer is not None:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        if len(p.get("text", "")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        query.answer = {"text": p.get("text", ""), "show_alert": p.get("show_alert") == "true"}
        return True

    def _get_file(self, p: Parameters) -> Any:
        stored = self.world.file(p["file_id"])
        return {
            "file_id": stored.id,
            "file_unique_id": f"u{stored.id}",
            "file_size": stored.size,
            "file_path": stored.path,
        }

    def _react(self, p: Parameters) -> bool:
        chat = number(p, "chat_id")
        if number(p, "message_id") not in self.world.shown.get(chat, {}):
            raise bad("message to react not found")
        self.world.reactions[number(p, "message_id")] = parsed(p.get("reaction", "[]"), "reaction")
        return True
