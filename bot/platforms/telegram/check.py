"""Whether Telegram knows a token, for people who set up a bot."""

from telegram import Bot
from telegram.error import TelegramError

from bot.platforms.telegram.errors import BROKEN_ANSWERS
from bot.platforms.telegram.redaction import hide
from bot.platforms.telegram.transport import CLOUD, Request


async def bot_name(token: str, api_base: str | None) -> str | None:
    """The bot's user name; None if the token is refused or Telegram cannot be reached."""
    hide(token)
    base = (api_base or CLOUD).rstrip("/")
    # Closed by us: the library's own shutdown closes nothing that it did not initialize.
    async with Request(base, 1) as request:
        try:
            return (await Bot(token, base_url=f"{base}/bot", request=request).get_me()).username
        except (TelegramError, *BROKEN_ANSWERS):
            return None
