"""A PEFT LoRA adapter as a GGUF file that llama.cpp's server reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter
from safetensors import safe_open

from finetune.providers.local import weights

_PREFIX = "base_model.model."


def to_gguf(adapter: Path, config: dict[str, Any], target: Path) -> None:
    """Convert an adapter folder for a base with the given Hugging Face configuration.

    Weights are kept in fp16 but for tiny ones that would lose in it. Raises ``KeyError`` for a tensor without a place.
    """
    architecture, layers = config["model_type"], config["num_hidden_layers"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    settings = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    temporary = target.with_suffix(".partial")
    writer = GGUFWriter(temporary, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(settings["lora_alpha"]))
    with safe_open(adapter / "adapter_model.safetensors", framework="numpy") as file:
        for key in file.keys():  # noqa: SIM118 - not a mapping
            module, part, _ = key.removeprefix(_PREFIX).rsplit(".", 2)
            name = weights.to_gguf_name(architecture, layers, f"{module}.weight")
            if name is None:
                raise KeyError(key)
            values = file.get_tensor(key).astype(np.float32)
            rows = weights.heads_of(name, heads, kv_heads)
            if architecture == "llama" and part == "lora_B" and rows is not None:
                values = weights.interleave(values, rows)
            suffix = "lora_a" if part == "lora_A" else "lora_b"
            writer.add_tensor(f"{name}.{suffix}", np.ascontiguousarray(values.astype(np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    temporary.replace(target)
