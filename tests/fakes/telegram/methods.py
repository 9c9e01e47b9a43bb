"""The methods that the stand-in knows, with all their parameters: required and optional."""

_REPLY = "reply_parameters message_thread_id disable_notification protect_content message_effect_id reply_markup"

METHODS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    name: (frozenset(required.split()), frozenset(optional.split()))
    for name, required, optional in (
        ("getMe", "", ""),
        ("getUpdates", "", "offset limit timeout allowed_updates"),
        ("sendMessage", "chat_id text", f"parse_mode entities link_preview_options {_REPLY}"),
        (
            "editMessageText",
            "text",
            "chat_id message_id inline_message_id parse_mode entities link_preview_options reply_markup",
        ),
        ("editMessageReplyMarkup", "", "chat_id message_id inline_message_id reply_markup"),
        ("deleteMessage", "chat_id message_id", ""),
        (
            "sendPhoto",
            "chat_id photo",
            f"caption parse_mode caption_entities show_caption_above_media has_spoiler {_REPLY}",
        ),
        (
            "sendDocument",
            "chat_id document",
            f"thumbnail caption parse_mode caption_entities disable_content_type_detection {_REPLY}",
        ),
        ("sendChatAction", "chat_id action", "message_thread_id"),
        ("answerCallbackQuery", "callback_query_id", "text show_alert url cache_time"),
        ("getFile", "file_id", ""),
        ("sendMessageDraft", "chat_id draft_id", "message_thread_id text parse_mode entities can_stop keep_on_stop"),
        ("setMyCommands", "commands", "scope language_code"),
        ("deleteMyCommands", "", "scope language_code"),
        ("getMyCommands", "", "scope language_code"),
        ("setMyShortDescription", "", "short_description language_code"),
        ("setMyDescription", "", "description language_code"),
        (
            "setWebhook",
            "url",
            "certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
        ),
        ("deleteWebhook", "", "drop_pending_updates"),
        ("getWebhookInfo", "", ""),
        ("setMessageReaction", "chat_id message_id", "reaction is_big"),
    )
}
