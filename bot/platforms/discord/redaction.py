"""Keeps the bot's token, and the short-lived tokens of interactions, out of the logs."""

import logging
import re

from bot.platforms.redaction import Redaction

# At DEBUG and INFO the library prints whole events: what people write, and the tokens of interactions.
_CHATTY = ("discord", "discord.client", "discord.gateway", "discord.http", "discord.state", "discord.webhook")
_HIDDEN = "***"
# Of an interaction: good for fifteen minutes, it stands in addresses and in whole events.
_IN_ADDRESSES = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/\s'\")]+")
_IN_EVENTS = re.compile(r"""(['"]token['"]:\s*['"])[^'"]+""")

_tokens: set[str] = set()


def redacted(text: str) -> str:
    """The text without any token."""
    for token in _tokens:
        text = text.replace(token, _HIDDEN)
    return _IN_EVENTS.sub(rf"\g<1>{_HIDDEN}", _IN_ADDRESSES.sub(rf"\g<1>{_HIDDEN}", text))


_redaction = Redaction(redacted)


def hide(token: str) -> None:
    """From now on this token is in no log line of ours and of the library."""
    _tokens.add(token)
    for name in _CHATTY:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.addFilter(_redaction)


def safe_logger(name: str) -> logging.Logger:
    """A logger of this package: nothing that it writes holds a token."""
    logger = logging.getLogger(name)
    logger.addFilter(_redaction)
    return logger
