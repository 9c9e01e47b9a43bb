"""Figures of a dataset, gathered row by row in bounded memory."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from finetune.datasets.formats.format import Message

BUCKETS = 16
PROMPTS_SHOWN = 5
_ALL_ROWS = 1024  # languages: every row up to here, then one in sixteen
_SAMPLE = 16
LOOKED_AT = 240  # characters of a row's last answer that decide its language
_PROMPT_BYTES = 8 << 20  # distinct system prompts are kept up to this size together
_SHARD = 1 << 18  # rows whose fingerprints are compared at once

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_LATIN = re.compile("[A-Za-z]+")
_KANA_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]+")


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

    def add_rows(self, count: int, prompts: Iterable[tuple[str, int]], answer: Callable[[int], str]) -> None:
        """Count rows that follow each other, whose figures are added by themselves.

        ``prompts``: the different ones with their rows, in the order of the first of each; ``answer``: the beginning
        of a row's last content, by its number from 0.
        """
        for prompt, rows in prompts:
            self._count_prompt(prompt, rows)
        every = max(0, min(count, _ALL_ROWS - self.rows))
        sampled = range(every + -(self.rows + every) % _SAMPLE, count, _SAMPLE)
        for looked_at in (range(every), sampled):
            for number in looked_at:
                self._languages[language_of(answer(number))] += 1
        self.rows += count

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
    han, latin = _letters(_HAN, piece), _letters(_LATIN, piece)
    if _letters(_KANA_HANGUL, piece) * 4 > han:
        return "other"
    # A Chinese character says about as much as a short English word.
    if han * 4 >= latin and han * 5 >= len(piece):
        return "zh"
    return "en" if latin * 2 >= len(piece) else "other"


def _letters(script: re.Pattern[str], text: str) -> int:
    return sum(map(len, script.findall(text)))


class Fingerprints:
    """Finds rows that were there before: 16 bytes a row, and no text kept."""

    def __init__(self) -> None:
        self._prints = array("q")
        self._places = array("q")

    def add(self, row: bytes, place: int) -> None:
        """Remember a canonical row at a place (any number that is not negative)."""
        self._prints.append(hash(row))
        self._places.append(place)

    def extend(self, prints: Iterable[int], places: Iterable[int]) -> None:
        """Remember canonical rows by their hashes."""
        self._prints.extend(prints)
        self._places.extend(places)

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Pairs of places: a row, and the first that was equal to it."""
        shards = len(self._prints) // _SHARD + 1
        for shard in range(shards):
            first: dict[int, int] = {}
            for fingerprint, place in zip(self._prints, self._places, strict=True):
                if shards > 1 and fingerprint % shards != shard:
                    continue
                earlier = first.setdefault(fingerprint, place)
                if earlier != place:
                    yield place, earlier
