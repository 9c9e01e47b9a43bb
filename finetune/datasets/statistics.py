"""Figures of a dataset, gathered row by row in bounded memory."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from finetune.datasets.formats.format import Message

BUCKETS = 16
PROMPTS_SHOWN = 5
_ALL_ROWS = 1024  # languages: every row up to here, then one in sixteen
_SAMPLE = 16
LOOKED_AT = 240  # characters of a row's last answer that decide its language
_PROMPT_BYTES = 8 << 20  # distinct system prompts are kept up to this size together

# Han, Latin, and kana with Hangul: the first and the last character of each range.
SCRIPTS = (
    ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
    ((0x41, 0x5A), (0x61, 0x7A)),
    ((0x3040, 0x30FF), (0xAC00, 0xD7AF)),
)
_HAN, _LATIN, _KANA_HANGUL = (
    re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges) + "]+") for ranges in SCRIPTS
)


class Statistics:
    """What the report says about the good rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.turns = 0
        self.characters = 0
        self.histogram = [0] * BUCKETS
        self._prompts: dict[str, int] = {}
        self._prompt_bytes = 0
        self._languages: Counter[str] = Counter()

    def add(self, messages: Sequence[Message]) -> int:
        """Count a row; returns its characters."""
        length = 0
        for message in messages:
            length += len(message["content"])
        first = messages[0]
        has_prompt = first["role"] == "system"
        self.turns += (len(messages) - has_prompt) // 2
        self.characters += length
        bucket = length.bit_length() - 1
        self.histogram[bucket if 0 <= bucket < BUCKETS else 0 if bucket < 0 else BUCKETS - 1] += 1
        self._count_prompt(first["content"] if has_prompt else "")
        if self.rows < _ALL_ROWS or not self.rows % _SAMPLE:
            self._languages[language_of(messages[-1]["content"] or messages[-2]["content"])] += 1
        self.rows += 1
        return length

    def add_figures(self, turns: int, characters: int, histogram: Sequence[int]) -> None:
        """Add the sums of many rows."""
        self.turns += turns
        self.characters += characters
        for bucket, rows in enumerate(histogram):
            self.histogram[bucket] += rows

    def add_rows(self, count: int, prompts: Iterable[tuple[str, int]]) -> list[int]:
        """Count rows that follow each other, whose figures are added by themselves.

        ``prompts``: the different ones with their rows, in the order of the first of each. Returns the numbers, from
        0, of those rows whose languages are to be added.
        """
        for prompt, rows in prompts:
            self._count_prompt(prompt, rows)
        every = max(0, min(count, _ALL_ROWS - self.rows))
        sampled = range(every + -(self.rows + every) % _SAMPLE, count, _SAMPLE)
        self.rows += count
        return [*range(every), *sampled]

    def add_languages(self, languages: Iterable[str]) -> None:
        """Add the languages of rows that were asked for."""
        self._languages.update(languages)

    def _count_prompt(self, prompt: str, rows: int = 1) -> None:
        known = self._prompts.get(prompt)
        if known is not None:
            self._prompts[prompt] = known + rows
        elif self._prompt_bytes < _PROMPT_BYTES:
            # Past that size new ones are not told apart any more; those that are frequent came before.
            self._prompts[prompt] = rows
            self._prompt_bytes += 4 * len(prompt) + 64

    @property
    def system_prompts(self) -> tuple[tuple[str, int], ...]:
        """The most frequent system prompts, whole, with their rows."""
        return tuple(Counter(self._prompts).most_common(PROMPTS_SHOWN))

    @property
    def prompt_variety(self) -> int:
        """How many different system prompts there are; having none is one of them."""
        return len(self._prompts)

    @property
    def languages(self) -> dict[str, float]:
        """Share of rows by language, the largest first."""
        total = self._languages.total()
        return {name: count / total for name, count in self._languages.most_common()}


def language_of(text: str) -> str:
    """``zh``, ``en`` or ``other`` by the script of the text's beginning."""
    piece = text[:LOOKED_AT]
    if piece.isascii():
        return "en" if _LATIN.search(piece) else "other"
    return language_by_letters(False, len(piece), *(_letters(script, piece) for script in (_HAN, _LATIN, _KANA_HANGUL)))


def language_by_letters(is_ascii: bool, length: int, han: int, latin: int, kana_hangul: int) -> str:
    """The language of a text, by how many of its characters are letters of each script."""
    if is_ascii:
        return "en" if latin else "other"
    if kana_hangul * 4 > han:
        return "other"
    # A Chinese character says about as much as a short English word.
    if han * 4 >= latin and han * 5 >= length:
        return "zh"
    return "en" if latin * 2 >= length else "other"


def _letters(script: re.Pattern[str], text: str) -> int:
    return sum(map(len, script.findall(text)))
