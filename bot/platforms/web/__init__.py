"""The local web page: a chat in the browser, served by this process."""

from bot.platforms.web.platform import WebPlatform

__all__ = ["WebPlatform"]
