"""Converts a base once, in a process of its own: ``python -m finetune.providers.local.convert BASE DATA_DIR``.

Training reads a Hugging Face folder, the server a GGUF file of eight bits a weight: what is missing of the two is made,
from a packaged GGUF file both. (Four bits a weight are as quick to answer but half as quick to read a prompt.)
The work is done in a temporary folder under a lock and renamed when complete, so that it may be killed at any moment.
"""

import fcntl
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.errors import ProviderError
from finetune.providers.local.bases import Prepared, Source, check_folder, locate, prepared
from finetune.providers.local.convert_hf import to_gguf


def prepare(source: Source, data_dir: Path) -> Prepared:
    """Convert the base unless that is done already; concurrent callers wait for the first.

    Raises :class:`ProviderError` ``base_missing`` or ``base_unsupported``.
    """
    ready = prepared(source, data_dir)
    if ready is not None:
        return ready
    target = data_dir / "bases" / source.slug
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / f"{source.slug}.lock"):
        ready = prepared(source, data_dir)
        if ready is not None:
            return ready
        temporary = target.parent / f"{source.slug}.partial"
        for stale in (temporary, target):
            shutil.rmtree(stale, ignore_errors=True)
        temporary.mkdir()
        if source.gguf is not None:
            _from_gguf(source.gguf, temporary)
            folder = temporary
            record: dict[str, str | None] = {"folder": None}
        else:
            folder = source.folder or _fetched(source)
            record = {"folder": str(folder)}
        to_gguf(folder, temporary / "model.gguf", source.base.name)
        (temporary / "base.json").write_text(json.dumps(record), "utf-8")
        temporary.rename(target)
    ready = prepared(source, data_dir)
    assert ready is not None
    return ready


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetched(source: Source) -> Path:
    """A hub's model in the local cache, fetched where ``HF_HUB_OFFLINE`` does not forbid it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    assert source.hub is not None
    wanted = ["*.safetensors", "*.json", "*.jinja"]
    try:
        folder = Path(snapshot_download(source.hub, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        try:
            folder = Path(snapshot_download(source.hub, allow_patterns=wanted))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
            raise ProviderError("base_missing", base=source.hub, command=f"hf download {source.hub}") from error
    check_folder(folder, source.hub)
    return folder


def _from_gguf(file: Path, folder: Path) -> None:
    import torch
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import save_file

    from finetune.providers.local import gguf_vocabulary, weights

    reader = GGUFReader(file)
    config = _configuration(reader)
    architecture, layers = config["model_type"], config["num_hidden_layers"]
    names = dict(weights.hugging_face_names(architecture, layers))
    tensors = {}
    for tensor in reader.tensors:
        # llama.cpp stores the long-context frequencies as a tensor; they follow from the configuration.
        if tensor.name == "rope_freqs.weight":
            continue
        values = dequantize(tensor.data, tensor.tensor_type)
        heads = weights.heads_of(tensor.name, config["num_attention_heads"], config["num_key_value_heads"])
        if architecture == "llama" and heads is not None:
            values = weights.deinterleave(values, heads)
        tensors[names[tensor.name]] = torch.from_numpy(values.copy()).to(torch.bfloat16)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    gguf_vocabulary.write(reader, folder)


def _configuration(reader: Any) -> dict[str, Any]:
    from finetune.providers.local.gguf_vocabulary import field
    from finetune.providers.local.weights import ARCHITECTURES

    architecture = field(reader, "general.architecture")
    if architecture not in ARCHITECTURES:
        raise ProviderError("base_unsupported", base=str(field(reader, "general.name")), reason=str(architecture))

    def value(name: str, default: Any = None) -> Any:
        return field(reader, f"{architecture}.{name}", default)

    heads = value("attention.head_count")
    theta = value("rope.freq_base", 10000.0)
    return {
        "architectures": ["LlamaForCausalLM" if architecture == "llama" else "Qwen2ForCausalLM"],
        "model_type": architecture,
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": value("attention.head_count_kv", heads),
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_parameters": {"rope_theta": theta, "rope_type": "default"},
        "vocab_size": len(field(reader, "tokenizer.ggml.tokens")),
        "hidden_act": "silu",
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": field(reader, "tokenizer.ggml.padding_token_id"),
        "dtype": "bfloat16",
    }


def main(arguments: list[str]) -> int:
    """Convert; a refusal goes to standard output as JSON, exit code 3."""
    try:
        prepare(locate(arguments[0]), Path(arguments[1]))
    except ProviderError as error:
        sys.stdout.write(json.dumps({"code": error.code, "fields": dict(error.fields)}, default=str))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
