"""Whether Telegram knows a token, for people who set up a bot."""

from telegram import Bot
from telegram.error import TelegramError


async def bot_name(token: str, api_base: str | None) -> str | None:
    """The bot's user name; None if the token is refused or Telegram cannot be reached."""
    bot = Bot(token) if api_base is None else Bot(token, base_url=f"{api_base.rstrip('/')}/bot")
    try:
        return (await bot.get_me()).username
    except TelegramError:
        return None
    finally:
        await bot.shutdown()
