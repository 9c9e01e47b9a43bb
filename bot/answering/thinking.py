"""Tells what a model says to itself (``<think>…</think>`` before its answer) from the answer."""

import re

from bot.answering.model import Piece
from bot.answering.outline import outline

_OPEN, _CLOSE = "<think>", "</think>"
# Some templates begin the thought themselves, so that the answer holds its end only: on a line of its own.
_UNOPENED = re.compile(r"(?:^|\n)[ \t]*</think>[ \t]*\n")


class Thinking:
    """Sorts an answer's text as it comes. A mark that comes in two pieces is a mark all the same."""

    def __init__(self) -> None:
        self._held = ""
        self._in_thought = False
        self._speaking = False

    def sort(self, piece: Piece) -> tuple[str, str]:
        """What of a piece is thought, and what is said."""
        if self._speaking:
            return piece.thought, piece.text
        self._held += piece.text
        if not self._in_thought:
            begin = self._held.lstrip()
            if _OPEN.startswith(begin) and begin != _OPEN:
                return piece.thought, ""
            if not begin.startswith(_OPEN):
                self._speaking = True
                return piece.thought, self._released()
            self._in_thought = True
            self._held = begin[len(_OPEN) :]
        thought, found, said = self._held.partition(_CLOSE)
        if found:
            self._in_thought, self._speaking, self._held = False, True, ""
            return piece.thought + thought, said.lstrip()
        # The end of what is held may be the beginning of the closing mark.
        kept = next((size for size in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:size])), 0)
        cut = len(self._held) - kept
        thought, self._held = self._held[:cut], self._held[cut:]
        return piece.thought + thought, ""

    def unopened(self, text: str) -> tuple[str, str] | None:
        """What of all that was said was thought and what was not, if it holds the end of a thought without its
        beginning.
        """
        found = None if _OPEN in text else _UNOPENED.search(text)
        if found is not None and outline(text).fence_at(found.start() + 1) is not None:
            return None  # it is told of, in code
        return None if found is None else (text[: found.start()], text[found.end() :].lstrip())

    def end(self) -> str:
        """What is still held when the answer ends: it was said, not thought, if no mark made it a thought."""
        return "" if self._in_thought else self._released()

    def _released(self) -> str:
        held, self._held = self._held, ""
        return held
