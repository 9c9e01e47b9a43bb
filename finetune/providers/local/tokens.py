"""Counts tokens exactly as training and serving will, without torch."""

import fcntl
import shutil
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from finetune.datasets import vocabularies
from finetune.errors import ProviderError
from finetune.providers.local import bases
from finetune.providers.local.chat import ChatTokenizer, Message
from finetune.providers.provider import Piece


class TokenCounter:
    """Counts in one base's own tokens."""

    exact = True

    def __init__(self, name: str, chat: ChatTokenizer) -> None:
        self.name = name
        self.chat = chat

    def count(self, text: str) -> int:
        """Tokens of a plain text."""
        return len(self.chat.encode(text))

    def count_conversation(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation as the chat template writes it, markers included."""
        return len(self.chat.conversation(messages))


def token_counter(data_dir: Path, base_id: str | None = None) -> TokenCounter:
    """The counter of a base (the default one unless named); the first call takes some seconds, later ones 0.1 s.

    Blocking: call it from a thread. Raises :class:`finetune.errors.ProviderError`.
    """
    source = bases.locate(base_id or bases.listed()[0].id)
    bases.require(("tokenizers", "jinja2", "gguf"))
    return _counter(source.base.name, _tokenizer_folder(source, data_dir))


@lru_cache(maxsize=8)
def _counter(name: str, folder: Path) -> TokenCounter:
    return TokenCounter(name, ChatTokenizer.load(folder))


def _tokenizer_folder(source: bases.Source, data_dir: Path) -> Path:
    if source.folder is not None:
        return source.folder
    ready = bases.prepared(source, data_dir)
    if ready is not None:
        return ready.folder
    if source.gguf is None:
        raise bases.missing(source.base.id)
    target = data_dir / "tokenizers" / source.slug
    if not target.is_dir():
        _build(source.gguf, target)
    return target


def _build(file: Path, target: Path) -> None:
    from gguf import GGUFReader

    from finetune.providers.local import gguf_vocabulary

    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return
        temporary = target.with_suffix(".partial")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        gguf_vocabulary.write(GGUFReader(file), temporary)
        temporary.rename(target)


def pieces(data_dir: Path, base_id: str | None, messages: Sequence[Message], max_tokens: int) -> tuple[Piece, ...]:
    """A conversation as a base's template writes it, in stretches; raises as :func:`token_counter` does."""
    chat = token_counter(data_dir, base_id).chat
    ids, learned = chat.masked(messages)
    kinds = [(target, index >= max_tokens) for index, target in enumerate(learned)]
    found = []
    for (target, cut), stretch in groupby(range(len(ids)), key=kinds.__getitem__):
        places = list(stretch)
        text = chat.tokenizer.decode([ids[place] for place in places], skip_special_tokens=False)
        found.append(Piece(text, len(places), target, cut))
    return tuple(found)


def tokenizer(data_dir: Path, base_id: str | None = None) -> vocabularies.Tokenizer:
    """What counts a base's tokens: its own ``tokenizer.json``, or where that is not, what a package ships for it.

    Raises as :func:`token_counter` does, and ``vocabulary_not_installed``.
    """
    source = bases.locate(base_id or bases.listed()[0].id)
    if source.hub is not None and bases.prepared(source, data_dir) is None:
        shipped = vocabularies.shipped_for(source.hub)
        if shipped is not None and vocabularies.is_installed():
            return shipped
        if shipped is not None:
            missing, command = vocabularies.DISTRIBUTION, vocabularies.INSTALL
            raise ProviderError("vocabulary_not_installed", base=source.hub, missing=missing, command=command)
    return tokenizer_file(data_dir, base_id)


def tokenizer_file(data_dir: Path, base_id: str | None = None) -> Path:
    """A base's ``tokenizer.json``, made when it is not there yet; raises as :func:`token_counter` does."""
    source = bases.locate(base_id or bases.listed()[0].id)
    return _tokenizer_folder(source, data_dir) / "tokenizer.json"
