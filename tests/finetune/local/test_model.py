"""Conversions and the model's own arithmetic, checked against plain transformers."""

import asyncio
import json
import random
from pathlib import Path
from types import SimpleNamespace

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
        assert packed[0].prefix > 10
        got = model.loss(packed[0])
        assert got == pytest.approx(expected, rel=tolerance)
        split = sum(model.loss(pack) for pack in packs(encoded, 100))
        assert split == pytest.approx(expected, rel=tolerance)


# What torch gives to MKL's vector functions (its aten/src/ATen/cpu/vml.h), and from how many elements on to several
# threads.
VECTOR_FUNCTIONS = {"acos", "asin", "atan", "cos", "erf", "exp", "expm1", "log", "log10", "log2", "sin", "sqrt", "tanh"}
GRAIN = 2048


def test_no_function_of_the_processor_is_chosen_by_two_threads(tmp_path: Path) -> None:
    """The first call of each is one thread's: else it may be a rough one there, once in some hundred trainings."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from transformers import AutoModelForCausalLM, LlamaConfig

    from finetune.providers.local.model import TunedModel
    from finetune.providers.local.packing import packs

    first: dict[str, int] = {}

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
            name = function.overloadpacket.__name__.rstrip("_")
            if name in VECTOR_FUNCTIONS:
                first.setdefault(name, max(each.numel() for each in arguments if isinstance(each, torch.Tensor)))
            return function(*arguments, **(keywords or {}))

    shape = {"vocab_size": 90, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 6, "num_key_value_heads": 2}
    AutoModelForCausalLM.from_config(LlamaConfig(**shape, **heads)).save_pretrained(tmp_path)
    row = examples.Example([number % 90 for number in range(1500)], [False] * 4 + [True] * 1496)
    with Watch():
        model = TunedModel(tmp_path, rank=4, alpha=16, dropout=0.1, seed=1, dtype=torch.float32)
        model.begin(1, 1)
        for pack in packs([row], 4096):
            model.loss(pack)
            model.learn(pack, 0.5)
    assert {"cos", "sin", "log"} <= set(first)
    assert max(first.values()) < GRAIN, first


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("budget", [4096, 300])
def test_loss_and_gradients_are_those_of_transformers_and_peft(tmp_path: Path, family: str, budget: int) -> None:
    """A small model of each family, rows that share a beginning and rows longer than a block of queries."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    from finetune.providers.local.model import TunedModel
    from finetune.providers.local.packing import packs

    torch.manual_seed(3)
    shape = {"vocab_size": 90, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 6, "num_key_value_heads": 2}
    config = (LlamaConfig if family == "llama" else Qwen2Config)(**shape, **heads)
    base = AutoModelForCausalLM.from_config(config)
    for parameter in base.parameters():
        # Norms of ones and biases of nothing would hide what is forgotten.
        parameter.data += 0.2 * torch.randn_like(parameter)
    base.save_pretrained(tmp_path)
    model = TunedModel(tmp_path, rank=4, alpha=16, dropout=0.0, seed=1, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    generator = random.Random(5)  # noqa: S311 - rows, not secrets
    common = [generator.randrange(90) for _ in range(30)]
    rows = []
    for size in (9, 20, 70, 280, 11):
        ids = common + [generator.randrange(90) for _ in range(size)]
        rows.append(examples.Example(ids, [False] * 34 + [index % 3 > 0 for index in range(len(ids) - 34)]))
    model.begin(1, 1)
    got = sum(model.learn(pack, 0.5) for pack in packs(rows, budget))
    ours = [parameter.grad.clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    plain = torch.zeros(())
    for row in rows:
        logits = model.peft(torch.tensor([row.ids])).logits[0, :-1]
        wanted = torch.tensor([token if learned else -100 for token, learned in zip(row.ids, row.targets, strict=True)])
        plain = plain + torch.nn.functional.cross_entropy(logits, wanted[1:], reduction="sum")
    (plain * 0.5).backward()
    assert got == pytest.approx(plain.item(), rel=1e-4)
    assert sum(model.loss(pack) for pack in packs(rows, budget)) == pytest.approx(plain.item(), rel=1e-4)
    for mine, parameter in zip(ours, model.parameters(), strict=True):
        assert torch.allclose(mine, parameter.grad, rtol=1e-3, atol=1e-4 * float(parameter.grad.abs().max()))


def test_rows_of_any_length_make_few_shapes(tmp_path: Path) -> None:
    """Each shape of a product is prepared once and kept: memory would grow with every step that has new ones."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from transformers import AutoModelForCausalLM, LlamaConfig

    from finetune.providers.local.model import TunedModel
    from finetune.providers.local.packing import packs

    class Products(TorchDispatchMode):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.shapes: set[object] = set()

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
                self.shapes.add(tuple(tuple(each.shape) for each in args))
            return func(*args, **(kwargs or {}))

    shape = {"vocab_size": 90, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 1}
    base = AutoModelForCausalLM.from_config(LlamaConfig(**shape, num_attention_heads=6, num_key_value_heads=2))
    base.save_pretrained(tmp_path)
    model = TunedModel(tmp_path, rank=4, alpha=16, dropout=0.05, seed=1, dtype=torch.float32)
    generator = random.Random(5)  # noqa: S311 - rows, not secrets
    products, met = Products(), []
    with products:
        for step in range(60):
            common = [generator.randrange(90) for _ in range(generator.randrange(20, 36))]
            batch = []
            for _ in range(4):
                ids = common + [generator.randrange(90) for _ in range(generator.randrange(60, 200))]
                batch.append(examples.Example(ids, [False] * 40 + [True] * (len(ids) - 40)))
            model.begin(1, step)
            for pack in packs(batch, 1024):
                model.learn(pack, 0.5)
            met.append(len(products.shapes))
    # Each length by itself would be some thirty new ones at every step.
    assert met[-1] < 400
    assert met[-1] - met[29] < 80


def test_no_pack_of_several_rows_is_larger_than_its_budget() -> None:
    from finetune.providers.local.packing import packs

    common = list(range(1, 321))
    rows = [examples.Example([*common, *[key] * 80], [False] * 330 + [True] * 70) for key in (400, 401, 402)]
    other = examples.Example([900] * 400, [False] * 330 + [True] * 70)
    found = list(packs([*rows, other], 1024))
    assert [(len(pack.ids), pack.prefix) for pack in found] == [(576, 320), (416, 0)]


def test_dropout_takes_its_share_and_keeps_the_scale(tmp_path: Path) -> None:
    """The adapter's part of an output, over many masks, is on average what it is without dropout."""
    import torch

    from finetune.providers.local.decoder import Dropout, Projection

    layer = SimpleNamespace(
        base_layer=torch.nn.Linear(200, 4, bias=False),
        lora_A={"default": torch.nn.Linear(200, 4, bias=False)},
        lora_B={"default": torch.nn.Linear(4, 4, bias=False)},
        scaling={"default": 2.0},
    )
    dropout = Dropout(0.25)
    projection = Projection([layer], "default", dropout)
    projection.adapters.refresh()
    x = torch.rand(2000, 200)[:1].expand(2000, 200).contiguous()
    with torch.no_grad():
        plain, _ = projection.forward(x, learning=False)
        dropped, kept = projection.forward(x, learning=True)
        own = plain - x @ layer.base_layer.weight.t()
        seen = dropped - x @ layer.base_layer.weight.t()
    assert kept.mask is not None
    assert float(kept.mask.mean()) == pytest.approx(0.75, abs=0.01)
    assert torch.allclose(seen.mean(0), own[0], atol=3 * float(seen.std(0).max()) / 2000**0.5)
    assert float(seen.std(0).min()) > 0
    dropout.seed(7, 1)
    first = dropout.mask(x)
    dropout.seed(7, 1)
    assert torch.equal(first, dropout.mask(x))


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
