"""Tokens of every row: counted, or estimated from its letters where there are too many rows or no tokenizer."""

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.datasets.formats.format import Message
from finetune.datasets.report import TokenCount
from finetune.datasets.tokens import EXACT_BYTES, TokenCounter
from finetune.datasets.vocabularies import Tokenizer

SAMPLE = 16  # past EXACT_BYTES one row in so many is counted
# How far a total may be from the truth, as shares of the total. A sample of rows missed by 0.25 % at worst.
SAMPLE_OFF = 0.01
# Formulas on characters gave 81 % to 140 % of the tokens, for vocabularies that know Chinese.
ESTIMATE_LOW, ESTIMATE_HIGH = 1 / 1.40, 1 / 0.81
# Tokens a letter of one byte has (an English word and its space are about five), and a Chinese one.
_NARROW, _WIDE = 0.25, 0.65


@dataclass(frozen=True, slots=True)
class RowTokens:
    """``total`` is of the contents, and surely between ``low`` and ``high``.

    ``rows`` has the tokens of each row, markers included, shape (rows,), int64; ``exact`` when all were counted.
    """

    total: TokenCount
    low: int
    high: int
    rows: NDArray[np.int64]
    exact: bool


class Lengths:
    """Takes rows one by one. ``markers``: tokens that the chat template adds to each message."""

    def __init__(self, tokenizer: Tokenizer | None, *, markers: int = 0, exact_bytes: int = EXACT_BYTES) -> None:
        # Which rows are counted is decided here, and the counter counts all that it is given.
        self._counter = TokenCounter(tokenizer, sys.maxsize) if tokenizer else None
        self._markers = markers
        self._exact_bytes = exact_bytes
        self._bytes = 0
        self._past = 0
        self._so_far = 0
        # Of each row: letters of one byte, others, its messages' markers, and its tokens or -1.
        self._narrow, self._wide, self._added = array("i"), array("i"), array("i")
        self._tokens = array("i")
        self._longest_skipped: tuple[int, Sequence[Message]] = (0, [])
        self._longest_row = -1

    def add(self, messages: Sequence[Message], size: int) -> None:
        """Take a row of ``size`` bytes."""
        narrow, wide = _letters([message["content"] for message in messages])
        self._bytes += size
        self._past += self._bytes > self._exact_bytes
        skipped = self._counter is None or (self._past and self._past % SAMPLE != 1)
        if skipped and narrow + wide > self._longest_skipped[0]:
            self._longest_skipped, self._longest_row = (narrow + wide, messages), len(self._tokens)
        self._tokens.append(-1 if skipped else self.count(messages))
        self._narrow.append(narrow)
        self._wide.append(wide)
        self._added.append(self._markers * len(messages))

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the contents of ``messages``, counted or estimated."""
        if self._counter is None:
            narrow, wide = _letters([message["content"] for message in messages])
            return round(_NARROW * narrow + _WIDE * wide)
        characters = sum(len(message["content"]) for message in messages)
        self._counter.add(messages, 0, characters)
        before, self._so_far = self._so_far, self._counter.result()[0].count
        return self._so_far - before

    def result(self) -> RowTokens:
        """The tokens of all rows so far."""
        tokens = np.array(self._tokens, np.int64)
        if self._counter and self._longest_row >= 0:
            # Whether a row is too long must not depend on who is in the sample.
            tokens[self._longest_row] = self.count(self._longest_skipped[1])
        counted = tokens >= 0
        exact = bool(counted.all()) and self._counter is not None and self._counter.result()[0].exact
        if not counted.all():
            tokens[~counted] = self._estimates(tokens, counted)
        total = int(tokens.sum())
        if self._counter is None:
            count, low, high = TokenCount(total, "estimate", exact=False), ESTIMATE_LOW, ESTIMATE_HIGH
        else:
            method = "tokenizer" if counted.all() else "tokenizer, sample"
            off = 0 if exact else SAMPLE_OFF
            count, low, high = TokenCount(total, method, exact=exact), 1 - off, 1 + off
        rows = tokens + np.array(self._added, np.int64)
        return RowTokens(count, round(total * low), round(total * high), rows, exact)

    def _estimates(self, tokens: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Of the rows that were not counted, by what a narrow and a wide letter take in those that were."""
        letters = np.stack([np.array(self._narrow, np.float64), np.array(self._wide, np.float64)])
        known, unknown = letters[:, counted], letters[:, ~counted]
        weights = np.array([_NARROW, _WIDE])
        truth = tokens[counted].astype(np.float64)
        if truth.any():
            (nn, nw), (_, ww) = known @ known.T
            (nt, wt), determinant = known @ truth, nn * ww - nw * nw
            if determinant > 1e-9 * nn * ww:
                fitted = np.array([ww * nt - nw * wt, nn * wt - nw * nt]) / determinant
                weights = fitted if (fitted >= 0).all() else weights
            # The rows that were counted have to come out right together.
            weights = weights * (truth.sum() / max(1e-9, float((weights @ known).sum())))
        found: NDArray[np.int64] = np.rint(weights @ unknown).astype(np.int64)
        return found


def _letters(texts: Sequence[str]) -> tuple[int, int]:
    """Letters of one byte, and of more; a letter of two bytes is half of one of three."""
    characters = sum(map(len, texts))
    more = sum(len(text.encode()) - len(text) for text in texts if not text.isascii())
    wide = (more + 1) // 2
    return max(0, characters - wide), wide
