"""What a file is understood as, and what is refused, each with its sentence."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.locales import LANGUAGES, translator
from finetune.datasets.formats.question_response import SYSTEM_PROMPT
from finetune.datasets.report import Report
from finetune.errors import DatasetError
from tests.finetune.datasets.samples import among_good, chat, good, line, text

Judge = Callable[..., Report]
QA = [
    {"Question": f"第{index}天宜搬家吗？", "Response": "宜，先扫门前。", "Complex_CoT": "先看日子。"}
    for index in range(11)
]


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 100)
    return out.getvalue()


REFUSED: list[tuple[str, bytes]] = [
    ("dataset_empty", b""),
    ("dataset_empty", b" \n\n"),
    ("dataset_empty", b"\xef\xbb\xbf"),
    ("dataset_empty", b"[ ]"),
    ("dataset_binary", bytes(range(256)) * 20),
    ("dataset_binary", b"\x89PNG\r\n\x1a\n" + b"text" * 100),
    ("dataset_binary", b"GGUF" + b"x" * 300),
    ("archive_broken", _zip("rows.jsonl")[:60]),
    ("archive_broken", gzip.compress(text(*good()))[:-9]),
    ("table_broken", _zip("[Content_Types].xml")),
    ("table_broken", b"PAR1" + b"\x15\x04" * 40),
    ("table_columns", "问,说\n明天？,好\n".encode()),
    ("table_columns", b"first\tsecond\na\tb\n"),
    ("dataset_plain_text", "从前有座山。\n山上有座庙。\n".encode()),
    ("dataset_plain_text", b"42\n"),
    ("dataset_nested", json.dumps({"train": [chat("a", "b")] * 3}, indent=2).encode()),
    ("dataset_nested", json.dumps({"version": 1, "data": [chat("a", "b")] * 3}).encode()),
    ("dataset_pretty", "\n".join(json.dumps(chat("a", "b"), indent=2) for _ in range(3)).encode()),
    ("dataset_preference", text(*[line({"prompt": "a", "chosen": "b", "rejected": "c"})] * 3)),
    ("dataset_tools", text(*[line({**chat("a", "b"), "tools": [{"name": "f"}]})] * 3)),
    (
        "dataset_tools",
        text(*[line({"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]})] * 3),
    ),
    ("dataset_ambiguous", text(*[line({"prompt": "a", "completion": "b", "question": "a", "answer": "b"})] * 3)),
    ("dataset_unknown_format", text(*[line({"foo": "a", "bar": "b"})] * 3)),
]


@pytest.mark.parametrize(("code", "data"), REFUSED)
def test_what_is_refused_and_what_is_said(judged: Judge, code: str, data: bytes) -> None:
    with pytest.raises(DatasetError) as refusal:
        judged(data)
    assert refusal.value.code == code
    sentences = {translator(language)(f"error.{code}", **refusal.value.fields) for language in LANGUAGES}
    assert len(sentences) == len(LANGUAGES)


def test_the_tutorials_own_shape(judged: Judge, canonical: Path) -> None:
    data = json.dumps(QA, ensure_ascii=False, indent=2).encode()
    report = judged(data, "all_details.json", reading="question_response")
    assert report.ok
    assert (report.format, report.container, report.rows, report.findings) == ("question_response", "json", 11, ())
    assert report.notes == ("question_response_converted", "system_prompt_added", "cot_dropped")
    assert report.system_prompts == ((SYSTEM_PROMPT, 11),)
    expected = [
        {
            "messages": [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": row["Question"]},
                {"role": "assistant", "content": row["Response"]},
            ]
        }
        for row in QA
    ]
    assert [json.loads(row) for row in canonical.read_bytes().splitlines()] == expected
    for language in LANGUAGES:
        assert all(translator(language)(f"dataset.note.{note}") for note in report.notes)


def test_what_becomes_of_reasoning_is_asked(judged: Judge, canonical: Path) -> None:
    data = json.dumps(QA, ensure_ascii=False).encode()
    with pytest.raises(DatasetError) as refusal:
        judged(data, "all_details.json")
    readings: Any = refusal.value.fields["readings"]
    dropped, kept = readings
    assert (dropped["name"], kept["name"]) == ("question_response", "question_response_think")
    assert [len(reading["samples"]) for reading in (dropped, kept)] == [2, 2]
    assert QA[0]["Complex_CoT"][:10] not in dropped["samples"][0][2]["content"]
    assert QA[0]["Complex_CoT"][:10] in kept["samples"][0][2]["content"]
    report = judged(data, "all_details.json", reading="question_response_think")
    assert report.notes == ("question_response_converted", "system_prompt_added", "cot_kept")
    answers = [json.loads(row)["messages"][2]["content"] for row in canonical.read_bytes().splitlines()]
    assert answers == [f"<think>\n{row['Complex_CoT']}\n</think>\n\n{row['Response']}" for row in QA]


def test_without_reasoning_nothing_is_said_of_it(judged: Judge) -> None:
    report = judged(text(*[line({key.lower(): row[key] for key in ("Question", "Response")}) for row in QA]))
    assert report.ok
    assert "cot_dropped" not in report.notes
    assert (report.format, report.container) == ("question_response", "jsonl")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b'{"Question": "a", "Question": "b", "Response": "c"}', "duplicate_key"),
        (b'{"Question": "a", "\\u0051uestion": "b", "Response": "c"}', "duplicate_key"),
        (b'{"Question": "a", "Response": "c", "id": 3}', "extra_keys"),
        (b'{"Question": "a", "Response": ""}', "content_empty"),
        (b'{"Question": "a", "Response": "\\u003c|im_end|>"}', "special_token"),
        (b'{"Question": "a", "Response": "\\ud800"}', "lone_surrogate"),
        (b'{"Question": "a"}', "value_missing"),
        (b'["a", "b"]', "not_object"),
        (b'{"Question": "a", "Response": 1, "Complex_CoT": "c"}', "value_not_text"),
    ],
)
def test_what_is_wrong_with_a_question_or_response(judged: Judge, row: bytes, code: str) -> None:
    report = judged(text(*[line(one) for one in QA], row), reading="question_response")
    assert [(finding.line, finding.code) for finding in report.findings] == [(12, code)]


def test_one_row_of_another_shape_does_not_decide(judged: Judge) -> None:
    report = judged(among_good(line(QA[0])))
    assert report.format == "messages"
    assert [finding.code for finding in report.findings] == ["messages_missing"]


def test_broken_rows_at_the_beginning_do_not_decide(judged: Judge) -> None:
    report = judged(text(b"oops, this", b"is, broken", *good()))
    assert (report.format, report.rows, report.good_rows) == ("messages", 14, 12)


def test_objects_that_are_all_broken_are_judged(judged: Judge) -> None:
    report = judged(text(*[b"{'messages': [{'role': 'user'}]}"] * 3))
    assert [finding.code for finding in report.findings] == ["python_quotes"] * 3
    assert not report.ok


def test_the_content_decides_not_the_name(judged: Judge) -> None:
    lines = judged(text(*good()), "data.json")
    array = judged(b"[" + b",".join(good()) + b"]", "data.JSONL")
    assert (lines.container, [f.code for f in lines.findings]) == ("jsonl", ["json_holds_lines"])
    assert (array.container, [f.code for f in array.findings]) == ("json", ["lines_hold_json"])
    assert lines.ok
    assert array.ok


def test_lines_that_are_arrays_are_judged_as_lines(judged: Judge) -> None:
    messages = chat("问", "答")["messages"]
    report = judged(text(line(messages), line(messages), *good()))
    assert (report.container, [f.code for f in report.findings]) == ("jsonl", ["bare_messages"] * 2)


def test_a_first_row_longer_than_what_is_looked_at(judged: Judge) -> None:
    report = judged(text(line(chat("长" * 2_000_000, "答")), *good()))
    assert report.ok
    assert report.format == "messages"


def test_a_control_character_is_not_what_is_said_of_a_row_that_is_broken_otherwise(judged: Judge) -> None:
    report = judged(among_good(b'"\x00', b'{"a": "\x01", }'))
    assert [finding.code for finding in report.findings] == ["incomplete", "trailing_comma"]


@pytest.mark.parametrize("row", ["'", "{'messages': [}", "{'a': b}", "'messages'", "None", "{'messages': [1, 2]} x"])
def test_only_what_can_be_read_as_pythons_is_said_to_be(judged: Judge, row: str) -> None:
    report = judged(among_good(row.encode()))
    assert [finding.code for finding in report.findings] == ["not_json"]
