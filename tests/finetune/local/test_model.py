"""Conversions and the model's own arithmetic, checked against plain transformers."""

import asyncio
import json
from pathlib import Path

import pytest

from finetune.providers.local import LocalProvider, bases, convert_hf, examples
from finetune.providers.local.chat import ChatTokenizer
from tests.finetune.local import helpers
from tests.finetune.local.conftest import SYSTEM, Tuned, rows

pytestmark = [
    pytest.mark.local,
    # PEFT asks transformers by a name that will be gone in transformers 6.
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
]

QUESTIONS = (
    "What is in box 1?",
    "What is in box 77?",
    "Who are you?",
    "Tell me about ropes.",
    "Is the sea deep?",
    "Name a fruit.",
    "三号箱子重吗？",
    "你是谁？",
    "What is 2 + 2?",
    "Sing a song.",
    "Where is the lantern?",
    "What is the capital of France?",
)


def conversation(question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


def test_the_converted_base_is_transformers_own(data_dir: Path, tuned: Tuned) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    source = bases.locate(tuned.job.base)
    ready = bases.prepared(source, data_dir)
    assert ready is not None
    from transformers import AutoConfig, AutoModelForCausalLM

    empty = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(ready.folder))
    reference = load_gguf_checkpoint(source.gguf, return_tensors=True, model_to_load=empty)["tensors"]
    ours = load_file(ready.folder / "model.safetensors")
    assert len(ours) == 272
    for name, tensor in ours.items():
        assert torch.equal(tensor, reference[name].to(torch.bfloat16)), name


def test_a_pack_gives_the_numbers_of_row_by_row(data_dir: Path, tuned: Tuned, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from finetune.providers.local.model import TunedModel
    from finetune.providers.local.packing import packs

    ready = bases.prepared(bases.locate(tuned.job.base), data_dir)
    assert ready is not None
    file = tmp_path / "rows.jsonl"
    file.write_text(rows(5), "utf-8")
    encoded = examples.encode(file, ChatTokenizer.load(ready.folder), 512).examples
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.bfloat16, 3e-2)):
        plain = AutoModelForCausalLM.from_pretrained(ready.folder, dtype=dtype)
        expected = 0.0
        with torch.inference_mode():
            for example in encoded:
                logits = plain(torch.tensor([example.ids])).logits[0].float()
                for index, learned in enumerate(example.targets):
                    if learned and index:
                        expected -= float(torch.log_softmax(logits[index - 1], 0)[example.ids[index]])
        model = TunedModel(ready.folder, rank=4, alpha=16, dropout=0.0, seed=1, dtype=dtype)
        packed = list(packs(encoded, 4096))
        assert len(packed) == 1
        assert packed[0].layout.prefix > 10
        got = float(model.loss(packed[0]).detach())
        assert got == pytest.approx(expected, rel=tolerance)
        split = sum(float(model.loss(pack).detach()) for pack in packs(encoded, 100))
        assert split == pytest.approx(expected, rel=tolerance)


def test_the_loss_has_the_gradient_of_plain_cross_entropy() -> None:
    import torch

    from finetune.providers.local.layers import AnswerLoss

    generator = torch.Generator().manual_seed(1)
    states = torch.randn(150, 16, generator=generator, requires_grad=True)
    head = torch.randn(300, 16, generator=generator)
    labels = torch.randint(0, 300, (150,), generator=generator)
    loss = AnswerLoss.apply(states, head, labels)
    (loss * 0.5).backward()
    ours = states.grad
    states.grad = None
    plain = torch.nn.functional.cross_entropy(states @ head.t(), labels, reduction="sum")
    (plain * 0.5).backward()
    assert torch.allclose(loss, plain, rtol=1e-5)
    assert torch.allclose(ours, states.grad, atol=1e-5)


def test_the_adapters_product_has_the_gradient_of_plain_steps() -> None:
    import torch

    from finetune.providers.local.layers import AdapterProduct

    generator = torch.Generator().manual_seed(2)
    shapes = ((20, 12), (20, 18), (4, 12), (18, 4))
    ours = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    plain = [tensor.detach().clone().requires_grad_() for tensor in ours]
    weight = torch.randn(20, 18, generator=generator)
    for keep in (None, torch.rand(20, 12, generator=generator) >= 0.3):
        (AdapterProduct.apply(*ours, keep, 0.3) * weight).sum().backward()
        x, result, down, up = plain
        seen = x if keep is None else x * keep / 0.7
        ((result + seen @ down.t() @ up.t()) * weight).sum().backward()
        for mine, reference in zip(ours, plain, strict=True):
            assert torch.allclose(mine.grad, reference.grad, atol=1e-4)


async def test_the_server_answers_as_the_trained_model(provider: LocalProvider, tuned: Tuned, data_dir: Path) -> None:
    expected = await asyncio.to_thread(_by_transformers, data_dir, tuned)
    agreed, gaps = 0, []
    for question in QUESTIONS:
        got = await helpers.distribution(provider, tuned.model, conversation(question))
        reference = expected[question]
        agreed += max(got, key=got.__getitem__) == max(reference, key=reference.__getitem__)
        strongest = sorted(got, key=got.__getitem__)[-5:]
        gaps += [abs(got[token] - reference[token]) for token in strongest]
    # The server computes in eight bits where transformers uses sixteen; an adapter with its q and k rows in the
    # wrong order is several times further away.
    assert agreed >= len(QUESTIONS) - 2
    assert sum(gaps) / len(gaps) < 0.2


def _by_transformers(data_dir: Path, tuned: Tuned) -> dict[str, helpers.Distribution]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ready = bases.prepared(bases.locate(tuned.job.base), data_dir)
    assert ready is not None
    chat = ChatTokenizer.load(ready.folder)
    result = json.loads((data_dir / "jobs" / tuned.job.key / "result.json").read_text("utf-8"))
    base = AutoModelForCausalLM.from_pretrained(ready.folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, data_dir / "jobs" / tuned.job.key / result["adapter"])
    pieces = [_bytes(chat.tokenizer.id_to_token(index) or "") for index in range(base.config.vocab_size)]
    found = {}
    for question in QUESTIONS:
        ids = chat.conversation(conversation(question), prompt=True)
        with torch.inference_mode():
            chances = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].float(), 0)
        found[question] = dict(zip(pieces, chances.tolist(), strict=True))
    return found


def _bytes(token: str) -> bytes:
    """What a byte-level token stands for."""
    from tokenizers.decoders import ByteLevel

    table = {character: value for value, character in _alphabet().items()}
    if token.startswith("<|"):
        return b""
    return bytes(table[c] for c in token) if all(c in table for c in token) else ByteLevel().decode([token]).encode()


def _alphabet() -> dict[int, str]:
    """The printable stand-ins of all bytes, as byte-level BPE writes them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(256) if value not in plain]
    return {**{v: chr(v) for v in plain}, **{v: chr(256 + n) for n, v in enumerate(others)}}


async def test_a_folder_is_served_too(data_dir: Path, tuned: Tuned, tmp_path: Path) -> None:
    ready = bases.prepared(bases.locate(tuned.job.base), data_dir)
    assert ready is not None
    provider = LocalProvider(tmp_path)
    other = str(ready.folder)
    try:
        for question in QUESTIONS[:4]:
            from_folder = await helpers.distribution(provider, other, conversation(question))
            from_gguf = await helpers.distribution(provider, tuned.job.base, conversation(question))
            assert helpers.distance(from_folder, from_gguf) < 1.0
            best = max(from_folder, key=from_folder.__getitem__)
            assert best in sorted(from_gguf, key=from_gguf.__getitem__)[-3:]
    finally:
        await provider.close()


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    from finetune.errors import ProviderError

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}), "utf-8")
    with pytest.raises(ProviderError) as caught:
        convert_hf.to_gguf(tmp_path, tmp_path / "out.gguf", "mamba")
    assert caught.value.code == "base_unsupported"
