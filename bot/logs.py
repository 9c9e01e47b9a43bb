"""Logging: one handler, plain lines, and a filter that takes secrets out of messages and tracebacks alike."""

import logging
import re
import sys
from collections.abc import Iterable

_HIDDEN = "***"
# Shapes of secrets that libraries are known to print: bot tokens in URLs, bearer tokens, API keys.
_SHAPES = (
    re.compile(r"\d{6,12}:[A-Za-z0-9_-]{30,}"),
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/-]{8,}=*"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)"),
)
_CHATTY = (
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "openai",
    "telegram",
    "aiohttp.access",
    "alembic",
    "aiosqlite",
    "asyncio",
)


class Redacted(logging.Formatter):
    """Formats a record, traceback included, and then takes every known secret out of the text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = [secret for secret in secrets if len(secret) >= 6]

    def format(self, record: logging.LogRecord) -> str:
        """The line as it may be written."""
        return self.clean(super().format(record))

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        for shape in _SHAPES:
            text = shape.sub(_HIDDEN, text)
        return text


def set_up(level: str, secrets: Iterable[str]) -> None:
    """Log to standard error from now on. Libraries that print addresses with tokens speak from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacted(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
