"""A byte-level BPE tokenizer out of a GGUF file's vocabulary, without torch or transformers."""

import json
from pathlib import Path
from typing import Any

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from finetune.errors import ProviderError

# Token types of the GGUF format: "control" tokens never come out of plain text.
_CONTROL = 3

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def field(reader: GGUFReader, name: str, default: Any = None) -> Any:
    """A metadata value of a GGUF file as plain Python."""
    found = reader.get_field(name)
    return default if found is None else found.contents()


def build(reader: GGUFReader) -> tuple[Tokenizer, str, dict[str, str]]:
    """Tokenizer, chat template and special tokens by their usual names. Raises ``base_unsupported``."""
    kind, pre = field(reader, "tokenizer.ggml.model"), field(reader, "tokenizer.ggml.pre")
    template = field(reader, "tokenizer.chat_template")
    if kind != "gpt2" or pre not in ("smollm", "qwen2", "gpt-2") or not template:
        raise ProviderError("base_unsupported", base=str(field(reader, "general.name")), reason=f"{kind}/{pre}")
    tokens: list[str] = field(reader, "tokenizer.ggml.tokens")
    kinds: list[int] = field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ", 1)) for pair in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = splitter(pre)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, k in zip(tokens, kinds, strict=True)
            if k == _CONTROL
        ]
    )
    specials = {}
    for name, key in (("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")):
        index = field(reader, f"tokenizer.ggml.{key}_token_id")
        if index is not None:
            specials[name] = tokens[index]
    return tokenizer, template, specials


def splitter(pre: str) -> pre_tokenizers.PreTokenizer:
    """The pre-tokenizer that a GGUF's ``tokenizer.ggml.pre`` names."""
    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    if pre == "qwen2":
        split = pre_tokenizers.Split(Regex(_QWEN2), behavior="isolated")
        return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def write(reader: GGUFReader, folder: Path) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and ``chat_template.jinja`` into a folder."""

    tokenizer, template, specials = build(reader)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **specials}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, ensure_ascii=False, indent=2), "utf-8")
