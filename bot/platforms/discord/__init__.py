"""Discord as a chat platform, through discord.py, which is an extra: only ``platform`` and what it needs import it."""

from bot.platforms.discord.ports import ChannelStore, Completion, Known

__all__ = ["ChannelStore", "Completion", "Known"]
