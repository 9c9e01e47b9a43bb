"""Telegram as a chat platform, by polling or by webhook."""

from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.ports import OffsetStore
from bot.platforms.telegram.webhook import WebhookAddress, secret_of

__all__ = ["OffsetStore", "TelegramPlatform", "WebhookAddress", "secret_of"]
