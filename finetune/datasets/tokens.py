"""Tokens of a dataset by the base's own tokenizer, exact for small ones and sampled for large ones."""

from collections.abc import Sequence
from pathlib import Path

from finetune.datasets.formats.format import Message
from finetune.datasets.report import TokenCount

EXACT_BYTES = 20_000_000
_SAMPLE = 16  # past that size, one row in so many is counted
_BATCH = 1024


class TokenCounter:
    """Counts the contents of rows; the tokens that a chat template adds are not among them.

    Past :data:`EXACT_BYTES` of text every sixteenth row is counted and the rest is taken to be like those; the
    longest row is counted always. ``tokenizer`` is a Hugging Face ``tokenizer.json``.
    """

    def __init__(self, tokenizer: Path, exact_bytes: int = EXACT_BYTES) -> None:
        # Only a worker that was given a tokenizer pays for the import.
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._exact_bytes = exact_bytes
        self._bytes = 0
        self._texts: list[str] = []
        self._ends: list[int] = []
        self._counted = 0
        self._sampled = 0
        self._sampled_characters = 0
        self._skipped_characters = 0
        self._rows_past = 0
        self._longest = 0
        self._longest_skipped: list[str] = []
        self._longest_skipped_characters = 0

    def add(self, messages: Sequence[Message], size: int, characters: int) -> None:
        """Count a row of ``size`` bytes."""
        texts = [message["content"] for message in messages]
        self._bytes += size
        if self._bytes > self._exact_bytes:
            if self._texts and not self._rows_past:
                self._flush()
            self._rows_past += 1
            if self._rows_past % _SAMPLE != 1:
                self._skipped_characters += characters
                if characters > self._longest_skipped_characters:
                    self._longest_skipped, self._longest_skipped_characters = texts, characters
                return
            self._sampled_characters += characters
        self._texts += texts
        self._ends.append(len(self._texts))
        if len(self._texts) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        lengths = self._lengths(self._texts)
        begin = 0
        for end in self._ends:
            self._longest = max(self._longest, sum(lengths[begin:end]))
            begin = end
        total = sum(lengths)
        if self._rows_past:
            self._sampled += total
        else:
            self._counted += total
        self._texts, self._ends = [], []

    def _lengths(self, texts: list[str]) -> list[int]:
        return [len(found) for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def result(self) -> tuple[TokenCount, int]:
        """All tokens, and those of the longest row."""
        self._flush()
        if self._longest_skipped:
            self._longest = max(self._longest, sum(self._lengths(self._longest_skipped)))
        if not self._skipped_characters:
            return TokenCount(self._counted + self._sampled, "tokenizer", exact=True), self._longest
        like_these = self._sampled / max(1, self._sampled_characters)
        estimate = round(self._counted + self._sampled + like_these * self._skipped_characters)
        return TokenCount(estimate, "tokenizer, sample", exact=False), self._longest
