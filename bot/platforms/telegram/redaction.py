"""Keeps bot tokens out of the logs, those of the libraries below included."""

import logging

from bot.platforms.redaction import Redaction

# Every logger that is known to print addresses; a filter works for its own logger only, never for children.
_TELLING = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "telegram.Bot",
    "telegram.request.BaseRequest",
    "telegram.request.HTTPXRequest",
)
# At DEBUG and INFO these print addresses, what people write, and every single poll.
_CHATTY = ("httpx", "httpcore", "telegram")
_HIDDEN = "***"

_tokens: set[str] = set()


def redacted(text: str) -> str:
    """The text without any token that :func:`hide` was told of."""
    for token in _tokens:
        text = text.replace(token, _HIDDEN)
    return text


_redaction = Redaction(redacted)


def hide(token: str) -> None:
    """From now on this token is in no log line of ours, of the HTTP client and of the Telegram library."""
    _tokens.add(token)
    for name in _CHATTY:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    for name in _TELLING:
        logging.getLogger(name).addFilter(_redaction)


def safe_logger(name: str) -> logging.Logger:
    """A logger of this package: nothing that it writes holds a token."""
    logger = logging.getLogger(name)
    logger.addFilter(_redaction)
    return logger
