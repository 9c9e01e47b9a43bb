"""Tokens of a dataset by the base's own tokenizer, exact for small ones and sampled for large ones."""

from collections.abc import Sequence

from finetune.datasets.formats.format import Message
from finetune.datasets.report import TokenCount
from finetune.datasets.vocabularies import Tokenizer, vocabulary

EXACT_BYTES = 20_000_000
_SAMPLE = 16  # past that size, one row in so many is counted
_BATCH = 1 << 18  # characters that are counted at once: the library takes some hundred bytes a token
_PROMPTS = 256


class TokenCounter:
    """Counts the contents of rows; the tokens that a chat template adds are not among them.

    Past :data:`EXACT_BYTES` of text every sixteenth row is counted and the rest is taken to be like those; the
    longest row is counted always.
    """

    def __init__(self, tokenizer: Tokenizer, exact_bytes: int = EXACT_BYTES) -> None:
        self._vocabulary = vocabulary(tokenizer)
        self._exact_bytes = exact_bytes
        self._bytes = 0
        self._prompts: dict[str, int] = {}
        self._texts: list[str] = []
        self._ends: list[tuple[int, int]] = []  # of each row: where its texts end, and its prompt's tokens
        self._held = 0
        self._cut = False
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
        prompt = messages[0]["content"] if messages[0]["role"] == "system" else ""
        texts = [message["content"] for message in messages[bool(prompt) :]]
        self._bytes += size
        if self._bytes > self._exact_bytes:
            if self._texts and not self._rows_past:
                self._flush()
            self._rows_past += 1
            if self._rows_past % _SAMPLE != 1:
                self._skipped_characters += characters
                if characters > self._longest_skipped_characters:
                    self._longest_skipped, self._longest_skipped_characters = [prompt, *texts], characters
                return
            self._sampled_characters += characters
        self._texts += texts
        self._held += characters
        self._ends.append((len(self._texts), self._of_prompt(prompt)))
        if self._held >= _BATCH:
            self._flush()

    def _of_prompt(self, prompt: str) -> int:
        """A system prompt stands in every row, and is counted once."""
        known = self._prompts.get(prompt)
        if known is None:
            (known,) = self._lengths([prompt])
            if len(self._prompts) < _PROMPTS:
                self._prompts[prompt] = known
        return known

    def _flush(self) -> None:
        lengths = self._lengths(self._texts)
        begin = total = 0
        for end, of_prompt in self._ends:
            of_row = sum(lengths[begin:end]) + of_prompt
            self._longest = max(self._longest, of_row)
            total += of_row
            begin = end
        if self._rows_past:
            self._sampled += total
        else:
            self._counted += total
        self._texts, self._ends, self._held = [], [], 0

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text. One that is longer than a batch is counted in pieces, which may add a token each."""
        lengths = []
        if sum(map(len, texts)) <= 2 * _BATCH:
            return self._vocabulary.lengths(texts)
        for text in texts:
            self._cut |= len(text) > _BATCH
            pieces = range(0, len(text), _BATCH)
            lengths.append(sum(self._vocabulary.lengths([text[begin : begin + _BATCH]])[0] for begin in pieces))
        return lengths

    def result(self) -> tuple[TokenCount, int]:
        """All tokens, and those of the longest row."""
        self._flush()
        if self._longest_skipped:
            self._longest = max(self._longest, sum(self._lengths(self._longest_skipped)))
        if not self._skipped_characters:
            return TokenCount(self._counted + self._sampled, "tokenizer", exact=not self._cut), self._longest
        like_these = self._sampled / max(1, self._sampled_characters)
        estimate = round(self._counted + self._sampled + like_these * self._skipped_characters)
        return TokenCount(estimate, "tokenizer, sample", exact=False), self._longest
