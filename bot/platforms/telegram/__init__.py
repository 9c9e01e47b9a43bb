"""Telegram as a chat platform, by polling or by webhook."""

from bot.platforms.telegram.drafting import DraftingTelegramPlatform
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.ports import OffsetStore
from bot.platforms.telegram.webhook import WebhookAddress, secret_of

__all__ = ["DraftingTelegramPlatform", "OffsetStore", "TelegramPlatform", "WebhookAddress", "secret_of"]
