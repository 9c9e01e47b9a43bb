"""Rewrites log records before any handler sees them; what must stay out of them, each platform knows for itself."""

import logging
import traceback
from collections.abc import Callable


class Redaction(logging.Filter):
    """``redacted`` takes secrets out of a text; it is given message and traceback alike."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, cleaned."""
        record.msg = self._redacted(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self._redacted("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True
