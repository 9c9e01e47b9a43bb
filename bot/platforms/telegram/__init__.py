"""Telegram as a chat platform, by polling."""

from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.ports import OffsetStore

__all__ = ["OffsetStore", "TelegramPlatform"]
