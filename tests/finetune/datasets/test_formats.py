"""The shapes that are converted: what becomes of good rows, what is said of bad ones, and that both ways agree."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.locales import LANGUAGES, translator
from finetune.datasets import examine
from finetune.datasets.findings import Finding
from finetune.datasets.formats import FORMATS, Messages, ShareGPT
from finetune.datasets.report import Report
from finetune.errors import DatasetError
from tests.finetune.datasets.reference import broken_rules
from tests.finetune.datasets.samples import chat, line, text

Judge = Callable[..., Report]
Row = dict[str, Any]
Turns = list[dict[str, str]]

EXAMPLES = int(os.environ.get("TUNETELLER_FUZZ", "300"))
thorough = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def said(*turns: str, keys: tuple[str, str] = ("from", "value")) -> Turns:
    """Turns as ShareGPT has them, each given as ``speaker: text``."""
    return [dict(zip(keys, turn.split(": ", 1), strict=True)) for turn in turns]


def messages(*turns: str) -> Turns:
    """The same as messages."""
    return said(*turns, keys=("role", "content"))


PAIR = ("human: 你好", "gpt: 您好")
HELLO = messages("user: 你好", "assistant: 您好")
SLOWLY = messages("system: 慢慢说", "user: 你好", "assistant: 您好")
SPELLINGS = [
    ("question", "answer"),
    ("Question", "Answer"),
    ("QUESTION", "aNSWER"),
    ("q", "a"),
    ("Q", "A"),
    ("问题", "答案"),
    ("问题", "回答"),
    ("提问", "回答"),
]

GOOD: list[tuple[str, Row, Turns]] = [
    ("alpaca", {"instruction": "你好", "output": "您好"}, HELLO),
    ("alpaca", {"instruction": "你好", "input": "", "output": "您好"}, HELLO),
    ("alpaca", {"output": "您好", "input": None, "system": None, "history": None, "instruction": "你好"}, HELLO),
    ("alpaca", {"instruction": "你好", "input": "", "output": "您好", "system": "", "history": []}, HELLO),
    ("alpaca", {"instruction": "", "input": "你好", "output": "您好"}, HELLO),
    ("alpaca", {"instruction": "你好", "output": "您好", "system": "慢慢说"}, SLOWLY),
    (
        "alpaca",
        {"instruction": "译", "input": "风\n水", "output": "wind\nwater"},
        messages("user: 译\n风\n水", "assistant: wind\nwater"),
    ),
    (
        "alpaca",
        {
            "instruction": "译",
            "input": "雨",
            "output": "rain",
            "system": "慢慢说",
            "history": [["在吗？", '"在"。'], ["真的？", "真的"]],
        },
        messages(
            "system: 慢慢说",
            "user: 在吗？",
            'assistant: "在"。',
            "user: 真的？",
            "assistant: 真的",
            "user: 译\n雨",
            "assistant: rain",
        ),
    ),
    *(("sharegpt", {key: said(*PAIR)}, HELLO) for key in ("conversations", "conversation", "messages")),
    *(("sharegpt", {key: HELLO}, HELLO) for key in ("conversations", "conversation")),
    ("sharegpt", {"conversations": said("user: 你好", "assistant: 您好")}, HELLO),
    ("sharegpt", {"conversations": said("user: 你好", "bot: 您好")}, HELLO),
    ("sharegpt", {"conversations": messages(*PAIR)}, HELLO),
    ("sharegpt", {"system": "", "conversations": said(*PAIR)}, HELLO),
    ("sharegpt", {"system": None, "conversations": said(*PAIR)}, HELLO),
    ("sharegpt", {"conversations": said(*PAIR), "system": "慢慢说"}, SLOWLY),
    ("sharegpt", {"conversations": said("system: 慢慢说", *PAIR)}, SLOWLY),
    ("sharegpt", {"conversations": said("system: 慢慢说", *PAIR, *PAIR)}, SLOWLY + HELLO),
    ("prompt_completion", {"prompt": "你好", "completion": "您好"}, HELLO),
    ("prompt_completion", {"response": "您好", "prompt": "你好"}, HELLO),
    ("prompt_completion", {"input": "你好", "output": "您好"}, HELLO),
    *(("question_answer", {question: "你好", answer: "您好"}, HELLO) for question, answer in SPELLINGS),
]


@pytest.mark.parametrize("container", ["jsonl", "json"])
@pytest.mark.parametrize(("name", "row", "expected"), GOOD)
def test_good_rows_are_converted(
    judged: Judge, canonical: Path, name: str, row: Row, expected: Turns, container: str
) -> None:
    rows = [{**row, **different(row, number)} for number in range(12)]
    data = text(*map(line, rows)) if container == "jsonl" else json.dumps(rows, indent=2).encode()
    report = judged(data, f"data.{container}")
    assert (report.format, report.container, report.rows, report.findings) == (name, container, 12, ())
    assert report.ok
    for number, kept in enumerate(canonical.read_bytes().splitlines()):
        *before, last = expected
        assert json.loads(kept) == {"messages": [*before, {**last, "content": f"{last['content']}{number}"}]}


def different(row: Row, number: int) -> Row:
    """The row's last answer, with a number behind it."""
    for key in ("conversations", "conversation", "messages"):
        if key in row:
            *before, last = row[key]
            says = "value" if "value" in last else "content"
            return {key: [*before, {**last, says: f"{last[says]}{number}"}]}
    last = next(
        key for key in row if key.lower() in ("output", "completion", "response", "answer", "a", "答案", "回答")
    )
    return {last: f"{row[last]}{number}"}


OTHER_NAMES: list[tuple[str, Row, Turns]] = [
    ("alpaca", {"instruction": "你好", "input": "", "response": "您好"}, HELLO),
    ("alpaca", {"query": "你好", "response": "您好", "history": []}, HELLO),
    (
        "alpaca",
        {"query": "再见", "response": "慢走", "history": [["你好", "您好"]]},
        [*HELLO, *messages("user: 再见", "assistant: 慢走")],
    ),
    ("sharegpt", {"conversation": [{"human": "你好", "assistant": "您好"}]}, HELLO),
    (
        "sharegpt",
        {"conversations": [{"human": "你好", "assistant": "您好"}] * 2, "system": "慢慢说"},
        [*SLOWLY, *HELLO],
    ),
]


@pytest.mark.parametrize(("name", "row", "expected"), OTHER_NAMES)
def test_other_names_of_a_shape(judged: Judge, canonical: Path, name: str, row: Row, expected: Turns) -> None:
    report = judged(text(line(row)))
    assert (report.format, report.ok) == (name, True)
    assert [finding.code for finding in report.findings] == ["few_rows"]
    assert json.loads(canonical.read_bytes()) == {"messages": expected}
    agree(name, line(row))


@pytest.mark.parametrize(("name", "row", "expected"), GOOD)
def test_good_rows_go_the_quick_way(name: str, row: Row, expected: Turns) -> None:
    for ascii_only in (True, False):
        for separators in (None, (",", ":")):
            dumped = json.dumps(row, ensure_ascii=ascii_only, separators=separators).encode()
            assert FORMATS[name]().quick(dumped) == expected
            agree(name, dumped)


async def test_the_process_around_it_converts_too(tmp_path: Path) -> None:
    source, canonical = tmp_path / "upload.json", tmp_path / "canonical.jsonl"
    source.write_bytes(line([{"conversations": said("human: 问", f"gpt: 答{number}")} for number in range(12)]))
    report = await examine(source, canonical)
    assert (report.ok, report.format, report.container) == (True, "sharegpt", "json")
    assert [json.loads(row)["messages"][1]["content"] for row in canonical.read_bytes().splitlines()] == [
        f"答{number}" for number in range(12)
    ]


NOTES: list[tuple[Row, tuple[str, ...]]] = [
    ({"instruction": "问", "output": "答"}, ("alpaca_converted",)),
    ({"instruction": "问", "input": "", "system": "", "history": [], "output": "答"}, ("alpaca_converted",)),
    ({"instruction": "问", "input": "文", "output": "答"}, ("alpaca_converted", "alpaca_input_joined")),
    ({"instruction": "问", "output": "答", "history": [["a", "b"]]}, ("alpaca_converted", "alpaca_history_first")),
    ({"instruction": "问", "output": "答", "system": "s"}, ("alpaca_converted", "system_taken")),
    ({"conversations": said(*PAIR)}, ("sharegpt_converted",)),
    ({"conversations": said("system: s", *PAIR)}, ("sharegpt_converted",)),
    ({"conversations": said(*PAIR), "system": "s"}, ("sharegpt_converted", "system_taken")),
    ({"prompt": "问", "completion": "答"}, ("prompt_completion_converted",)),
    ({"问题": "问", "答案": "答"}, ("question_answer_converted",)),
]


@pytest.mark.parametrize(("row", "notes"), NOTES)
@pytest.mark.parametrize("extra", [{}, {"id": 1}])
def test_what_was_done_is_said_in_both_languages(judged: Judge, row: Row, notes: tuple[str, ...], extra: Row) -> None:
    report = judged(text(line({**row, **extra})))
    assert report.notes == notes
    for keys in (
        *(f"dataset.note.{note}" for note in notes),
        f"format.{report.format}",
    ):
        said_of_it = {translator(language)(keys, container="JSONL", encoding="utf-8") for language in LANGUAGES}
        assert len(said_of_it) == len(LANGUAGES)


# The shapes as files: twelve good rows, of which the last line is 12.
FILES: Mapping[str, list[Row]] = {
    "alpaca": [{"instruction": f"问{number}", "input": "", "output": "答"} for number in range(12)],
    "sharegpt": [{"conversations": said(f"human: 问{number}", "gpt: 答")} for number in range(12)],
    "roles": [{"conversations": messages(f"human: 问{number}", "gpt: 答")} for number in range(12)],
    "spoken": [{"messages": said(f"human: 问{number}", "gpt: 答")} for number in range(12)],
    "prompt": [{"prompt": f"问{number}", "completion": "答"} for number in range(12)],
    "response": [{"prompt": f"问{number}", "response": "答"} for number in range(12)],
    "input": [{"input": f"问{number}", "output": "答"} for number in range(12)],
    "question": [{"Question": f"问{number}", "Answer": "答"} for number in range(12)],
    "问题": [{"问题": f"问{number}", "回答": "答"} for number in range(12)],
}
Said = tuple[str, int | None, dict[str, str] | None]


def missing(key: str, keys: str, message: int | None = None) -> Said:
    return "value_missing", message, {"key": key, "keys": keys}


def not_text(key: str, kind: str, message: int | None = None) -> Said:
    return "value_not_text", message, {"key": key, "kind": kind}


def extra(keys: str) -> Said:
    return "extra_keys", None, {"keys": keys}


def twice(key: str) -> Said:
    return "duplicate_key", None, {"key": key}


EMPTY: Said = ("content_empty", 1, {"role": "assistant"})

Case = tuple[str, Row | list[Any] | str | bytes, list[Said]]


def in_any_shape(row: bytes, finding: Said) -> list[Case]:
    """The same row in a file of each shape, which says the same of it."""
    return [(name, row, [finding]) for name in FILES]


BAD: list[Case] = [
    # Alpaca
    ("alpaca", {"instruction": "问"}, [missing("output", "instruction")]),
    ("alpaca", {}, [missing("instruction", "–"), missing("output", "–")]),
    ("alpaca", {"input": "问", "output": None}, [missing("instruction", "input, output"), not_text("output", "null")]),
    (
        "alpaca",
        {"instruction": 5, "output": ["好", "坏"]},
        [not_text("instruction", "number"), not_text("output", "array")],
    ),
    (
        "alpaca",
        {"instruction": "问", "output": "答", "input": 3.3, "system": {}, "history": "无"},
        [
            not_text("input", "number"),
            not_text("system", "object"),
            ("value_not_list", None, {"key": "history", "kind": "string"}),
        ],
    ),
    (
        "alpaca",
        {"instruction": "问", "output": "答", "history": [["a", "b"], ["a"], "ab", {"a": 1, "b": 2}, None, ["a", 5]]},
        [
            ("history_not_pair", None, {"key": "history[1]", "kind": "array[1]"}),
            ("history_not_pair", None, {"key": "history[2]", "kind": "string"}),
            ("history_not_pair", None, {"key": "history[3]", "kind": "object"}),
            ("history_not_pair", None, {"key": "history[4]", "kind": "null"}),
            not_text("history[5][1]", "number"),
        ],
    ),
    ("alpaca", {"instruction": "问", "output": "答", "text": "x", "id": 1}, [extra("text, id")]),
    ("alpaca", {"instruction": "问", "output": ""}, [EMPTY]),
    ("alpaca", {"instruction": "", "input": "", "output": "答"}, [("content_empty", 0, {"role": "user"})]),
    ("alpaca", {"instruction": "问", "output": "答", "history": [["a", ""]]}, [EMPTY]),
    ("alpaca", {"instruction": "问", "input": "{{文}}", "output": "答"}, [("placeholder", 0, {"piece": "{{文}}"})]),
    ("alpaca", '{"instruction": "a", "instruction": "问", "output": "答"}', [twice("instruction")]),
    ("alpaca", '{"instruction": "a", "instr\\u0075ction": "问", "output": "答"}', [twice("instruction")]),
    ("alpaca", ["问", "答"], [("not_object", None, {"kind": "array"})]),
    # ShareGPT
    ("sharegpt", {"text": "x"}, [("turns_missing", None, {"key": "conversations", "keys": "text"})]),
    ("sharegpt", {}, [("turns_missing", None, {"key": "conversations", "keys": "–"})]),
    ("spoken", {"text": "x"}, [("turns_missing", None, {"key": "messages", "keys": "text"})]),
    ("sharegpt", {"conversation": "x"}, [("value_not_list", None, {"key": "conversation", "kind": "string"})]),
    (
        "sharegpt",
        {"conversations": None, "system": 1},
        [not_text("system", "number"), ("value_not_list", None, {"key": "conversations", "kind": "null"})],
    ),
    ("sharegpt", {"conversations": []}, [("turns_empty", None, {"key": "conversations"})]),
    ("sharegpt", {"conversations": said(*PAIR), "system": []}, [not_text("system", "array")]),
    ("sharegpt", {"conversations": said(*PAIR, "human: 再问")}, [("ends_with_user", 2, None)]),
    ("sharegpt", {"conversations": said("gpt: 答", *PAIR)}, [("first_not_user", 0, None), *()]),
    (
        "sharegpt",
        {"conversations": said("human: 问", *PAIR)},
        [("two_in_a_row", 1, {"role": "user"})],
    ),
    (
        "sharegpt",
        {"system": "s", "conversations": said("human: 问", "human: 问", "gpt: 答", "user: 问")},
        [("two_in_a_row", 1, {"role": "user"}), ("ends_with_user", 3, None)],
    ),
    ("sharegpt", {"conversations": said("system: s")}, [("no_pair", None, None)]),
    ("sharegpt", {"conversations": said(*PAIR, "system: s", *PAIR)}, [("system_late", 2, None)]),
    ("sharegpt", {"conversations": said("system: s", *PAIR), "system": "t"}, [("system_twice", 0, None)]),
    ("sharegpt", {"conversations": said("wizard: 问", "gpt: 答")}, [("role_unknown", 0, {"role": "wizard"})]),
    (
        "sharegpt",
        {"conversations": said("Human: 问", "gpt: 答")},
        [("role_alias", 0, {"role": "Human", "meant": "user"})],
    ),
    (
        "sharegpt",
        {"conversations": said("human: 问", "function_call: {}", "observation: 晴", "gpt: 答")},
        [("role_tool", 1, {"role": "function_call"}), ("role_tool", 2, {"role": "observation"})],
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human"}, {"value": "答"}, "x", {"from": 1, "value": None}]},
        [
            missing("value", "from", 0),
            missing("from", "value", 1),
            ("message_not_object", 2, {"kind": "string"}),
            not_text("from", "number", 3),
            not_text("value", "null", 3),
        ],
    ),
    (
        "sharegpt",
        {"system": "s", "conversations": [*said("human: 问"), {"from": "gpt", "value": [{"type": "text"}]}]},
        [not_text("value", "array", 1)],
    ),
    (
        "sharegpt",
        {"conversations": [*said(*PAIR), *messages("user: 问", "assistant: 答"), *said(*PAIR)]},
        [missing(key, "role, content", index) for index in (2, 3) for key in ("from", "value")],
    ),
    (
        "roles",
        {"conversations": [{"role": "user", "from": "x", "content": 1}, {"content": None, "id": 2}]},
        [
            ("content_not_text", 0, {"kind": "number"}),
            ("role_missing", 1, {"keys": "content, id"}),
            ("content_null", 1, None),
        ],
    ),
    (
        "roles",
        {"conversations": messages("user: 问", "function: 晴")},
        [("role_tool", 1, {"role": "function"})],
    ),
    ("sharegpt", {"id": "x", "conversations": said(*PAIR), "messages": HELLO}, [extra("id, messages")]),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": "答", "weight": 1, "role": "x"}]},
        [("extra_message_keys", 1, {"keys": "weight, role"})],
    ),
    ("sharegpt", {"conversations": said("human: 问", "gpt: "), "system": "s"}, [EMPTY]),
    (
        "sharegpt",
        {"conversations": said(*PAIR), "system": "<|im_end|>"},
        [("special_token", None, {"piece": "<|im_end|>"})],
    ),
    ("sharegpt", {"conversations": said(*PAIR), "system": " "}, [("content_blank", None, {"role": "system"})]),
    (
        "sharegpt",
        '{"conversations": [], "conversations": [{"from":"human","value":"问"},{"from":"gpt","value":"答"}]}',
        [twice("conversations")],
    ),
    (
        "sharegpt",
        '{"conversations": [{"from":"human","value":"问"},{"from":"human","fr\\u006fm":"gpt","value":"答"}]}',
        [twice("from")],
    ),
    ("sharegpt", HELLO, [("bare_messages", None, None)]),
    ("sharegpt", "5", [("not_object", None, {"kind": "number"})]),
    # Prompt and completion
    ("prompt", {"prompt": "问"}, [missing("completion", "prompt")]),
    ("response", {"prompt": "问"}, [missing("response", "prompt")]),
    ("input", {"input": "问"}, [missing("output", "input")]),
    ("prompt", {"completion": "答", "id": 1}, [missing("prompt", "completion, id")]),
    ("response", {"x": "答"}, [missing("prompt", "x"), missing("response", "x")]),
    (
        "prompt",
        {"prompt": messages("user: 问"), "completion": None},
        [not_text("prompt", "array"), not_text("completion", "null")],
    ),
    ("prompt", {"prompt": "问", "completion": "答", "response": "答", "n": 1}, [extra("response, n")]),
    ("input", {"input": "问", "output": "答", "n": 1}, [extra("n")]),
    (
        "input",
        {"instruction": "译", "input": "问", "output": "答"},
        [missing("prompt", "instruction, input, output"), missing("completion", "instruction, input, output")],
    ),
    ("prompt", {"prompt": "译", "input": "问", "output": "答"}, [missing("completion", "prompt, input, output")]),
    ("prompt", {"prompt": "问", "completion": ""}, [EMPTY]),
    ("prompt", '{"prompt": "a", "prompt": "问", "completion": "答"}', [twice("prompt")]),
    ("prompt", ["x"], [("not_object", None, {"kind": "array"})]),
    # Question and answer
    ("question", {"Question": "问"}, [missing("Answer", "Question")]),
    ("question", {"question": "问"}, [missing("Answer", "question")]),
    ("question", {"answer": 1}, [missing("Question", "answer"), not_text("answer", "number")]),
    ("question", {"问题": "问"}, [missing("答案", "问题")]),
    ("问题", {"问题": True}, [not_text("问题", "true/false"), missing("回答", "问题")]),
    ("question", {"Question": "问", "Answer": "答", "Complex_CoT": "想", "id": 2}, [extra("Complex_CoT, id")]),
    ("question", {"Question": "问", "question": "问", "Answer": "答"}, [twice("question")]),
    ("question", '{"qUestion": "a", "qUestion": "问", "answer": "答"}', [twice("qUestion")]),
    ("问题", '{"问题": "a", "\\u95ee\\u9898": "问", "回答": "答"}', [twice("问题")]),
    ("question", {"Question": "问", "Answer": ""}, [EMPTY]),
    ("question", "null", [("not_object", None, {"kind": "null"})]),
    # Text that is no JSON, in any shape
    *in_any_shape(b"oops", ("not_json", None, {"position": "1", "piece": "oops"})),
    *in_any_shape(b"", ("blank_line", None, None)),
    *in_any_shape(b'{"x": "\\ud800"', ("incomplete", None, {"piece": '{"x": "\\ud800"'})),
]


def as_line(row: object) -> bytes:
    """A row as given: text as it is, anything else as JSON."""
    if isinstance(row, bytes):
        return row
    return row.encode() if isinstance(row, str) else line(row)


@pytest.mark.parametrize(("name", "row", "expected"), BAD)
def test_what_is_wrong_with_a_row(
    judged: Judge, name: str, row: Row | list[Any] | str | bytes, expected: list[Said]
) -> None:
    report = judged(text(*map(line, FILES[name]), as_line(row)))
    # One row with a system prompt among rows without is told of the file, not of the row.
    found = [finding for finding in report.findings if finding.code != "system_varies"]
    assert [(f.line, f.row, f.code, f.message, dict(f.fields)) for f in found] == [
        (13, None, code, message, fields or {}) for code, message, fields in expected
    ]
    assert report.ok == all(finding.severity == "warning" for finding in report.findings)
    assert report.good_rows == 12 + report.ok
    for finding in report.findings:
        assert_sayable(finding)


def assert_sayable(finding: Finding) -> None:
    for language in LANGUAGES:
        sentence = translator(language)(f"finding.{finding.code}", **finding.fields)
        assert all(value in sentence for value in finding.fields.values())


@pytest.mark.parametrize(
    ("name", "row", "expected"), [(name, row, said_of) for name, row, said_of in BAD if isinstance(row, dict)]
)
def test_what_is_wrong_with_an_element(judged: Judge, name: str, row: Row, expected: list[Said]) -> None:
    report = judged(b"[\n" + b",\n".join(map(line, [row, *FILES[name]])) + b"\n]", "data.json")
    found = [finding for finding in report.findings if finding.code != "system_varies"]
    assert [(f.line, f.row, f.code) for f in found] == [(2, 1, code) for code, _, _ in expected]


def test_all_rows_are_judged_at_once(judged: Judge) -> None:
    rows = [*FILES["sharegpt"], {"conversations": said("gpt: 答")}, {"conversations": []}, {"x": 1}]
    report = judged(text(*map(line, rows), b"oops"))
    assert [(f.line, f.rule) for f in report.findings] == [(13, "R7"), (13, "R6"), (14, "R2"), (15, "R2"), (16, "R1")]


# Which shape a file has


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"messages": HELLO, "instruction": "问", "output": "答"}, ["messages", "alpaca"]),
        ({"conversations": said(*PAIR), "messages": HELLO}, ["messages", "sharegpt"]),
        ({"conversations": said(*PAIR), "instruction": "问", "output": "答"}, ["sharegpt", "alpaca"]),
        ({"instruction": "问", "output": "答", "Question": "问", "Response": "答"}, ["alpaca", "question_response"]),
        (
            {"prompt": "问", "completion": "答", "question": "问", "answer": "答"},
            ["prompt_completion", "question_answer"],
        ),
    ],
)
def test_two_possible_readings_are_asked(judged: Judge, row: Row, names: list[str]) -> None:
    data = text(*[line(row)] * 3)
    with pytest.raises(DatasetError, match="dataset_ambiguous") as refusal:
        judged(data)
    readings = refusal.value.fields["readings"]
    assert isinstance(readings, list)
    assert [reading["name"] for reading in readings] == names
    assert all(len(reading["samples"]) == 2 for reading in readings)
    for name in names:
        report = judged(data, reading=name)
        assert (report.format, report.ok) == (name, True)
        assert "extra_keys" in [finding.code for finding in report.findings]


def test_speakers_in_two_lists_are_one_reading(judged: Judge) -> None:
    report = judged(text(*[line({"conversations": said(*PAIR), "messages": said(*PAIR)})] * 3))
    assert (report.format, report.ok) == ("sharegpt", True)


def test_the_shape_of_most_rows_is_taken(judged: Judge) -> None:
    report = judged(text(*map(line, [*FILES["question"][:4], *FILES["alpaca"][:5]])))
    assert report.format == "alpaca"
    assert [finding.line for finding in report.findings if finding.severity == "error"] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_messages_by_role_stay_messages(judged: Judge) -> None:
    report = judged(text(*[line({"messages": [{"role": "user", "content": "问", "from": "x"}, HELLO[1]]})] * 3))
    assert report.format == "messages"
    report = judged(text(*[line({"messages": []})] * 3, line({"messages": "x"})))
    assert (report.format, report.by_rule["R2"]) == ("messages", 4)


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("dataset_preference", {"prompt": "a", "chosen": "b", "rejected": "c"}),
        ("dataset_preference", {"conversations": said("human: a"), "chosen": {}, "rejected": {}}),
        ("dataset_preference", {"instruction": "a", "output": "x", "chosen": "b", "rejected": "c"}),
        ("dataset_preference", {"question": "a", "answer": "x", "chosen": "b", "rejected": "c"}),
        ("dataset_tools", {"conversations": said("human: a", "function_call: {}", "observation: x", "gpt: b")}),
        ("dataset_tools", {"conversations": said(*PAIR), "tools": "[{}]"}),
        ("dataset_unknown_format", {"input": "a", "output": "b", "id": 1}),
        ("dataset_unknown_format", {"text": "a"}),
        ("dataset_unknown_format", {"Prompt": "a", "Completion": "b"}),
        ("dataset_unknown_format", {"question": "a", "a": "b"}),
    ],
)
def test_what_is_still_refused(judged: Judge, code: str, row: Row) -> None:
    with pytest.raises(DatasetError) as refusal:
        judged(text(*[line(row)] * 3))
    assert refusal.value.code == code


# Both ways on any row


def agree(name: str, row: bytes) -> None:
    """The quick way says what the careful way says, or nothing; what is kept breaks no rule."""
    fast, slow = FORMATS[name](), FORMATS[name]()
    quick, careful = fast.quick(row), slow.careful(row)
    errors = any(problem.is_error for problem in careful.problems)
    assert (careful.messages is None) == errors, (row, careful)
    if careful.messages is not None:
        assert broken_rules(line({"messages": careful.messages})) == set()
    if quick is not None:
        assert not careful.problems, (row, careful.problems)
        assert quick == careful.messages
        assert [list(message) for message in quick] == [["role", "content"]] * len(quick)
        assert fast.notes == slow.notes
        # What an object remembers of the rows before must not change what it says of good ones.
        assert fast.careful(row).messages == slow.quick(row) == quick


_texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", " ", "<|im_end|>", "{{name}}", '"from"', '\\"', "\\", '"q": "', "\\u0071", "\u2028", "😀", "宜"]
    ),
)
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts)
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3))
_usually_texts = st.one_of(_texts, _texts, _texts, _values)
_speakers = st.sampled_from(["human", "gpt", "user", "assistant", "bot", "system", "Human", "observation", "", "x"])
_turns = st.one_of(
    st.fixed_dictionaries({"from": _speakers, "value": _texts}),
    st.fixed_dictionaries({"role": _speakers, "content": _texts}),
    st.fixed_dictionaries({"value": _usually_texts, "from": _speakers}, optional={"role": _values}),
    st.dictionaries(st.sampled_from(["from", "value", "role", "content", "id"]), _values, max_size=3),
    _values,
)


def _alternating(keys: tuple[str, str], texts: list[str], system: bool) -> list[dict[str, str]]:
    speakers = ["system"] * system + ["human", "gpt"] * len(texts)
    return [dict(zip(keys, turn, strict=True)) for turn in zip(speakers, texts, strict=False)]


_conversations = st.one_of(
    st.builds(
        _alternating,
        st.sampled_from([("from", "value"), ("role", "content")]),
        st.lists(_texts, min_size=1, max_size=5),
        st.booleans(),
    ),
    st.lists(_turns, max_size=4),
    _values,
)
_histories = st.one_of(st.lists(st.lists(_texts, min_size=2, max_size=2), max_size=2), st.lists(_values), _values)


def _columns(*keys: str) -> st.SearchStrategy[Row]:
    some = st.lists(st.sampled_from(keys), unique=True, max_size=3)
    return some.flatmap(lambda names: st.fixed_dictionaries(dict.fromkeys(names, _usually_texts)))


_pairs = st.sampled_from([("prompt", "completion"), ("prompt", "response"), ("input", "output"), *SPELLINGS]).flatmap(
    lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, _texts))
)
_rows = {
    "alpaca": st.one_of(
        st.fixed_dictionaries(
            {"instruction": _texts, "output": _texts},
            optional={"input": _usually_texts, "system": _usually_texts, "history": _histories},
        ),
        _columns("instruction", "output", "input", "system", "history", "id"),
        _values,
    ),
    "sharegpt": st.one_of(
        st.fixed_dictionaries({"conversations": _conversations}, optional={"system": _usually_texts}),
        st.dictionaries(
            st.sampled_from(["conversations", "conversation", "messages", "system", "id"]), _conversations, max_size=3
        ),
        _values,
    ),
    "prompt_completion": st.one_of(
        _pairs, _columns("prompt", "completion", "response", "input", "output", "instruction", "id"), _values
    ),
    "question_answer": st.one_of(
        _pairs, _columns("question", "Question", "answer", "q", "Q", "a", "问题", "答案", "回答", "提问", "id"), _values
    ),
}
_named_rows = st.sampled_from(sorted(_rows)).flatmap(lambda name: st.tuples(st.just(name), _rows[name]))


def _dumped(row: Any, ascii_only: bool, compact: bool) -> bytes:
    separators = (",", ":") if compact else None
    return json.dumps(row, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")


@thorough
@given(named=_named_rows, ascii_only=st.booleans(), compact=st.booleans())
def test_both_ways_agree(named: tuple[str, Any], ascii_only: bool, compact: bool) -> None:
    name, row = named
    agree(name, _dumped(row, ascii_only, compact))


_PIECES = [
    *(bytes([byte]) for byte in b'{}[],:"\\ \t\r\x00\x7f\xff\xc3'),
    b"NaN",
    b"\\ud83d",
    b"\\u0071",
    b"\\u95ee\\u9898",
    b'"q": "x", ',
    b'"from": "gpt", ',
    b'"value":"x",',
    b'"output": "",',
    b'"\\u006futput": "y",',
    b'"history": [["a", "b"]], ',
    b'"system": "s", ',
    b'["a","b"],',
    b'"ab",',
    b"\xef\xbb\xbf",
    b"null",
    b"[" * 70,
]


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    if draw(st.booleans()):
        name, good, _ = draw(st.sampled_from(GOOD))
        row = bytearray(_dumped(good, draw(st.booleans()), draw(st.booleans())))
    else:
        name, any_row = draw(_named_rows)
        row = bytearray(_dumped(any_row, True, draw(st.booleans())))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(row)))
        match draw(st.integers(0, 3)):
            case 0:
                row[at:at] = draw(st.sampled_from(_PIECES))
            case 1:
                del row[at : at + draw(st.integers(1, 12))]
            case 2:
                row[at : at + 1] = draw(st.binary(max_size=2))
            case _:
                begin = draw(st.integers(0, len(row)))
                row[at:at] = row[begin : begin + draw(st.integers(1, 40))]
    return name, bytes(row)


@thorough
@given(mutated=_mutated())
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "history": ["ab"]}'))
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "history": [{"a": "", "b": ""}]}'))
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "history": "ab"}'))
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "history": [["a", "b", "c"]]}'))
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "output": "c"}'))
@example(mutated=("alpaca", b'{"instruction": "a", "output": "b", "input": false}'))
@example(mutated=("alpaca", b'{"instruction": "a\\\\", "output": "\\\\", "o\\u0075tput": "\\""}'))
@example(mutated=("sharegpt", b'{"conversations": [{"from": "human", "value": "a"}, {"from": "human", "value": "b"}]}'))
@example(
    mutated=("sharegpt", b'{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b","value":"c"}]}')
)
@example(
    mutated=("sharegpt", b'{"messages": 5, "conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}')
)
@example(mutated=("sharegpt", b'{"conversations":[{"from":"human","value":"a"},{"role":"gpt","content":"b"}]}'))
@example(mutated=("sharegpt", b'{"conversations":[{"from":["human"],"value":"a"},{"from":"gpt","value":"b"}]}'))
@example(
    mutated=("sharegpt", b'{"system":"s","conversations":[{"from":"system","value":"a"},{"from":"gpt","value":"b"}]}')
)
@example(mutated=("question_answer", b'{"q": "x", "Q": "y", "a": "z"}'))
@example(mutated=("question_answer", b'{"Q": "x", "q": "y"}'))
@example(mutated=("question_answer", '{"问题": "x", "\\u95ee\\u9898": "y", "答案": "z"}'.encode()))
@example(mutated=("question_answer", b""))
def test_both_ways_agree_on_mutated_rows(mutated: tuple[str, bytes]) -> None:
    agree(*mutated)


@thorough
@given(
    turns=st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "wizard", "tool"]), _texts), max_size=6)
)
def test_a_conversation_is_judged_as_its_messages_are(turns: list[tuple[str, str]]) -> None:
    speakers = {"user": "human", "assistant": "gpt"}
    spoken = [{"from": speakers.get(role, role), "value": content} for role, content in turns]
    as_messages = [{"role": role, "content": content} for role, content in turns]
    found = ShareGPT().careful(line({"conversations": spoken}))
    expected = Messages().careful(line({"messages": as_messages}))
    if turns:
        assert found == expected
    else:
        assert [problem.code for problem in found.problems] == ["turns_empty"]


@thorough
@given(turns=st.lists(_texts, min_size=2, max_size=6), system=st.none() | _texts)
def test_a_conversation_becomes_its_messages(turns: list[str], system: str | None) -> None:
    speakers = ("human", "gpt")
    spoken = [{"from": speakers[index % 2], "value": content} for index, content in enumerate(turns)]
    reading = ShareGPT().careful(line({"conversations": spoken, "system": system}))
    if len(turns) % 2:
        assert [problem.code for problem in reading.problems] == ["ends_with_user"]
    else:
        assert {"messages": reading.messages} == chat(*turns, system=system or None)
