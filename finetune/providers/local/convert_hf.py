"""A Hugging Face model of the Llama or Qwen2 family as a GGUF file: eight bits a weight, for serving."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from safetensors import safe_open

from finetune.errors import ProviderError
from finetune.providers.local import weights
from finetune.providers.local.chat import ChatTokenizer

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5


def to_gguf(folder: Path, target: Path, name: str) -> None:
    """Write ``target`` from a model folder.

    Raises :class:`ProviderError` ``base_unsupported`` for another architecture, scaled rotary embeddings or a
    tokenizer that llama.cpp would split differently.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    architecture = config.get("model_type")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if architecture not in weights.ARCHITECTURES:
        raise ProviderError("base_unsupported", base=name, reason=str(architecture))
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ProviderError("base_unsupported", base=name, reason=f"rope {rope.get('rope_type', rope.get('type'))}")
    writer = GGUFWriter(target, architecture)
    _describe(writer, config, rope, name)
    _vocabulary(writer, folder, config, name)
    _tensors(writer, folder, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any, config: dict[str, Any], rope: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _vocabulary(writer: Any, folder: Path, config: dict[str, Any], name: str) -> None:
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    pre = _pre_tokenizer(data)
    if data["model"].get("type") != "BPE" or pre is None:
        raise ProviderError("base_unsupported", base=name, reason="tokenizer")
    size = config["vocab_size"]
    tokens = [f"[PAD{index}]" for index in range(size)]
    kinds = [_UNUSED] * size
    for token, index in data["model"]["vocab"].items():
        tokens[index], kinds[index] = token, _NORMAL
    for added in data["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = _CONTROL if added["special"] else _USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in data["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    chat = ChatTokenizer.load(folder)
    if chat.end is not None:
        writer.add_eos_token_id(chat.end)
    begin = config.get("bos_token_id")
    if isinstance(begin, int):
        writer.add_bos_token_id(begin)
    writer.add_chat_template(chat.source)


def _pre_tokenizer(data: dict[str, Any]) -> str | None:
    """llama.cpp's name of the way this tokenizer splits text, where we are sure of it."""
    pre = data.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    kinds = [part.get("type") for part in parts]
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and r"|\p{N}|" in parts[0].get("pattern", {}).get("Regex", ""):
        return "qwen2"
    return None


def _tensors(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    architecture, layers = config["model_type"], config["num_hidden_layers"]
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a mapping
                name = weights.to_gguf_name(architecture, layers, key)
                if name is None or (name == "output.weight" and config.get("tie_word_embeddings")):
                    continue
                values = file.get_tensor(key).float().numpy()
                rows = weights.heads_of(name, heads, kv_heads)
                if architecture == "llama" and rows is not None:
                    values = weights.interleave(values, rows)
                values = np.ascontiguousarray(values, dtype=np.float32)
                if values.ndim == 1:
                    writer.add_tensor(name, values)
                else:
                    kind = GGMLQuantizationType.Q8_0 if values.shape[-1] % 32 == 0 else GGMLQuantizationType.F16
                    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
