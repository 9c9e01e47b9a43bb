"""Names and layouts: how a Hugging Face model's tensors map to GGUF's, there and back."""

from collections.abc import Iterator
from functools import cache

import gguf
import numpy as np
import numpy.typing as npt

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}

Array = npt.NDArray[np.float32]


def to_gguf_name(architecture: str, layers: int, name: str) -> str | None:
    """GGUF's name of a Hugging Face tensor (``model.layers.0.self_attn.q_proj.weight`` → ``blk.0.attn_q.weight``)."""
    found: str | None = _names(architecture, layers).get_name(name, try_suffixes=(".weight", ".bias"))
    return found


@cache
def _names(architecture: str, layers: int) -> gguf.TensorNameMap:
    return gguf.get_tensor_name_map(ARCHITECTURES[architecture], layers)


def hugging_face_names(architecture: str, layers: int) -> Iterator[tuple[str, str]]:
    """All (GGUF name, Hugging Face name) pairs of a decoder of these architectures."""
    modules = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    modules += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"]
    names = ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
    for layer in range(layers):
        for module in modules:
            names += [f"model.layers.{layer}.{module}.weight", f"model.layers.{layer}.{module}.bias"]
    for name in names:
        other = to_gguf_name(architecture, layers, name)
        if other is not None:
            yield other, name


def heads_of(gguf_name: str, heads: int, kv_heads: int) -> int | None:
    """The number of heads whose rows are reordered in this tensor, ``None`` where none are."""
    part = gguf_name.split(".")[-2]
    return {"attn_q": heads, "attn_k": kv_heads}.get(part)


def interleave(rows: Array, heads: int) -> Array:
    """Reorder the rows of q or k from halves (transformers' rotary embedding) to pairs (llama.cpp's)."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def deinterleave(rows: Array, heads: int) -> Array:
    """The inverse of :func:`interleave`."""
    shape = rows.shape
    return rows.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
