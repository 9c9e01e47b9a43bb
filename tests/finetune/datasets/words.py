"""Texts that people might have written, and a tokenizer with one token a word."""

import random
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

_ZH = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜金生丽水玉出昆冈"
_EN = ["the", "a", "lucky", "road", "river", "opens", "closes", "before", "noon", "stranger", "letter", "brings", "you"]


def seeded(seed: int) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(seed)  # noqa: S311


def zh(chance: random.Random, length: int) -> str:
    """Chinese of so many characters."""
    return "".join(chance.choices(_ZH + "，。", k=length))


def en(chance: random.Random, words: int) -> str:
    """English of so many words."""
    return " ".join(chance.choices(_EN, k=words)).capitalize() + "."


def changed(chance: random.Random, text: str, places: int) -> str:
    """The same with some characters replaced."""
    letters = list(text)
    for place in chance.sample(range(len(letters)), min(places, len(letters))):
        letters[place] = chance.choice("甲乙丙丁xyz")
    return "".join(letters)


def word_tokenizer(folder: Path) -> Path:
    """A ``tokenizer.json`` in ``folder``; a Chinese passage between two marks is one word."""
    made = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"
