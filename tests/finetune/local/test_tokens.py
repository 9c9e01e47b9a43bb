"""Tokens are counted, masked and cut exactly as transformers does it."""

import json
from pathlib import Path

import pytest

from finetune.providers.local import LocalProvider, bases, examples
from finetune.providers.local.chat import ChatTokenizer, UnstableTemplate
from finetune.providers.local.tokens import TokenCounter, token_counter
from tests.finetune.local.conftest import SYSTEM, rows

pytestmark = pytest.mark.local

TEXTS = (
    "Should I move house?",
    "我最近老想搬家，到底该不该搬？",
    "2024-11-03, 17:45; 1234567.89 %",
    "  two  spaces\n\n\tand a tab \r\n",
    "naïve café — “quotes” 😀👨‍👩‍👧 ＡＢＣ",
    "<|im_end|> inside, <|im_start|>user too",
    "don't we'll I'M they're",
    "",
)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> TokenCounter:
    return token_counter(tmp_path_factory.mktemp("counter"))


def test_it_agrees_with_transformers(counter: TokenCounter) -> None:
    from transformers import AutoTokenizer

    file = bases.locate(bases.listed()[0].id).gguf
    assert file is not None
    reference = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    for text in TEXTS:
        assert counter.count(text) == len(reference.encode(text, add_special_tokens=False)), text
        conversation = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
        for messages in (conversation, [{"role": "system", "content": SYSTEM}, *conversation]):
            expected = reference.apply_chat_template(messages, return_dict=False)
            assert counter.chat.conversation(messages) == expected, text
            assert counter.count_conversation(messages) == len(expected)
            prompt = reference.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
            assert counter.chat.conversation(messages[:-1], prompt=True) == prompt


def test_only_the_assistants_turns_are_learned(counter: TokenCounter) -> None:
    messages = json.loads(rows(4).splitlines()[3])["messages"]
    ids, mask = counter.chat.masked(messages)
    spans, current = [], []
    for token, learned in zip([*ids, -1], [*mask, False], strict=True):
        if learned:
            current.append(token)
        elif current:
            spans.append(counter.chat.tokenizer.decode(current, skip_special_tokens=False))
            current = []
    assert spans == [f"{m['content']}<|im_end|>" for m in messages if m["role"] == "assistant"]
    assert len(spans) == 2


def test_a_template_that_rewrites_the_past_is_refused(counter: TokenCounter) -> None:
    template = "{% for m in messages %}{{ messages | length }}{{ m.role }}:{{ m.content }}<|im_end|>{% endfor %}"
    chat = ChatTokenizer(counter.chat.tokenizer, template, {"eos_token": "<|im_end|>"})
    with pytest.raises(UnstableTemplate):
        chat.masked([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])


def test_rows_are_cut_and_what_is_left_out_is_counted(counter: TokenCounter, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(rows(8), "utf-8")
    whole = examples.encode(file, counter.chat, 4096)
    assert (len(whole.examples), whole.cut, whole.empty) == (8, 0, 0)
    limit = min(example.targets.index(True) for example in whole.examples) + 3
    cut = examples.encode(file, counter.chat, limit)
    assert cut.cut == 8
    assert all(len(example.ids) == limit for example in cut.examples)
    none = examples.encode(file, counter.chat, 10)
    assert (len(none.examples), none.cut, none.empty) == (0, 8, 8)


async def test_the_plan_counts_the_cut(provider: LocalProvider, tmp_path: Path) -> None:
    from dataclasses import replace

    from finetune.providers.provider import FineTune
    from tests.finetune.local.conftest import VALUES

    file = tmp_path / "rows.jsonl"
    file.write_text(rows(9), "utf-8")
    values = replace(VALUES, max_tokens=50)
    plan = await provider.plan(FineTune("plan", "plan", provider.bases[0].id, file, None, values, 1))
    assert plan.cut_rows > 0
    assert plan.tokens is not None
    assert plan.tokens <= 9 * 50
    assert plan.steps == 9


async def test_a_row_is_shown_as_training_cuts_and_learns_it(tmp_path: Path, counter: TokenCounter) -> None:
    provider = LocalProvider(tmp_path)
    messages = json.loads(rows(4).splitlines()[3])["messages"]
    ids, mask = counter.chat.masked(messages)
    whole = await provider.pieces(bases.listed()[0].id, messages, 4096)
    assert "".join(piece.text for piece in whole) == counter.chat.render(messages)
    assert [piece.learned for piece in whole] == [False, True, False, True, False]
    assert sum(piece.tokens for piece in whole) == len(ids)
    assert not any(piece.cut for piece in whole)
    limit = len(ids) - 10
    cut = await provider.pieces(bases.listed()[0].id, messages, limit)
    assert sum(piece.tokens for piece in cut if not piece.cut) == limit
    assert sum(piece.tokens for piece in cut if piece.learned and not piece.cut) == sum(mask[:limit])
    assert sum(piece.tokens for piece in cut if piece.cut) == 10
