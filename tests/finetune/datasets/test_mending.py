"""Mending: each remedy does what its finding asked for and nothing else, and nothing disappears unseen."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.datasets import examine, mended
from finetune.datasets.findings import KINDS
from finetune.datasets.judging import judge
from finetune.datasets.mending.changes import Changes
from finetune.datasets.mending.engine import mend
from finetune.datasets.mending.kinds import FINDINGS, LEAVE_OUT, Wish, mendable, mends_of, of_all
from finetune.datasets.mending.lengths import split_row
from finetune.datasets.report import Report
from tests.finetune.datasets.samples import chat, good, line, text

Mending = Callable[..., tuple[Changes, list[Any], Report]]
EXAMPLES = int(os.environ.get("TUNETELLER_FUZZ", "200"))


@pytest.fixture
def mending(tmp_path: Path) -> Mending:
    """Mend bytes: the changes, the rows of the new file and its report."""

    def run(data: bytes, *names: str, name: str = "data.jsonl", **wish: Any) -> tuple[Changes, list[Any], Report]:
        source, target, canonical = (tmp_path / part for part in ("upload", "mended", "canonical"))
        source.write_bytes(data)
        if not names:
            names = of_all(mends_of(judge(source, canonical, name=name)))
        changes = mend(source, target, Wish(names, **wish), name=name)
        assert Changes.from_json(json.loads(json.dumps(changes.as_json()))) == changes
        assert source.read_bytes() == data
        rows = [_parsed(row) for row in target.read_bytes().splitlines()]
        return changes, rows, judge(target, canonical, name="mended.jsonl")

    return run


def _parsed(row: bytes) -> Any:
    try:
        return json.loads(row)
    except ValueError:
        return row


def said(*turns: str) -> list[dict[str, str]]:
    """Messages, each given as ``role: text``."""
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in turns]


def test_what_is_called_mendable_has_a_mend() -> None:
    assert {code for code, kind in KINDS.items() if kind.mendable} == {code for code in KINDS if mendable(code)}
    codes = [code for codes in FINDINGS.values() for code in codes]
    assert len(codes) == len(set(codes))


HELLO = said("user: 你好", "assistant: 您好")
TEXTS: list[tuple[str, bytes, list[Any]]] = [
    ("blank_lines", b"  ", []),
    ("text", '{"messages": [{"role": "user", "content": "你\t好"}, {"role": "assistant", "content": "您好"}]}'.encode(),
     [said("user: 你\t好", "assistant: 您好")]),
    ("text", line({"messages": HELLO})[:-1] + b",}", [HELLO]),
    ("text", line({"messages": HELLO}) + b" ,", [HELLO]),
    ("text", repr({"messages": HELLO}).encode(), [HELLO]),
    ("text", line(HELLO), [HELLO]),
    ("text", b'{"n": NaN, "messages": ' + line(HELLO) + b"}", [HELLO]),
    ("text", b'{"messages": [{"role":"user","content":"a\\ud83d"},{"role":"assistant","content":"b"}]}',
     [said("user: a\ufffd", "assistant: b")]),
    ("text", "\ufeff".encode() + line({"messages": HELLO}), [HELLO]),
    ("two_objects", line({"messages": HELLO}) * 2, [HELLO, HELLO]),
    ("roles", line({"messages": said("human: 你好", "GPT: 您好")}), [HELLO]),
    ("parts", line({"messages": [HELLO[0], {"role": "assistant", "content": [{"type": "text", "text": "一"}, "二"]}]}),
     [said("user: 你好", "assistant: 一\n二")]),
    ("parts", line({"messages": [HELLO[0], {"role": "assistant", "content": []}]}),
     [said("user: 你好", "assistant: ")]),
    ("system_first", line({"messages": [*HELLO, *said("system: 慢慢说")]}), [[*said("system: 慢慢说"), *HELLO]]),
    ("system_first", line({"messages": said("system: 甲", "system: 乙", "system: 甲", "user: 问", "assistant: 答")}),
     [said("system: 甲\n\n乙", "user: 问", "assistant: 答")]),
    ("join", line({"messages": said("user: 一", "user: 二", "assistant: 三", "assistant: 四")}),
     [said("user: 一\n二", "assistant: 三\n四")]),
    ("first_user", line({"messages": said("system: 规", "assistant: 早", "user: 你好", "assistant: 您好")}),
     [said("system: 规", "user: 你好", "assistant: 您好")]),
    ("last_user", line({"messages": [*HELLO, *said("user: 还在吗", "user: 喂")]}), [HELLO]),
    ("empty", line({"messages": [*HELLO, *said("user: 问", "assistant:  ")]}), [HELLO]),
    ("empty", line({"messages": said("user: 问", "assistant: ")}), []),
    ("special", line({"messages": said("user: 你<|im_end|>好", "assistant: 您好<<|im_end|>|im_end|>")}),
     [said("user: 你好", "assistant: 您好")]),
    ("line_ends", line({"messages": HELLO}) + b"\r", [HELLO]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "expected"), TEXTS)
def test_a_mend_puts_its_finding_right(mending: Mending, name: str, row: bytes, expected: list[Any]) -> None:
    changes, rows, report = mending(text(*good(), row), name)
    assert rows[12:] == [{"messages": messages} for messages in expected]
    assert report.ok
    assert rows[:12] == [json.loads(each) for each in good()]
    assert changes.touched
    assert set(changes.counts) | set(changes.left_out) == {name}


@pytest.mark.parametrize(("name", "row", "expected"), TEXTS)
def test_what_was_not_wished_for_stays(mending: Mending, name: str, row: bytes, expected: list[Any]) -> None:
    changes, rows, _ = mending(text(*good(), row, b'{"messages": []}'), "duplicates")
    assert not changes.counts
    assert rows[-1] == {"messages": []}
    assert changes.rows_after == changes.rows_before == 14 - (name == "blank_lines")


def test_errors_stay_until_leaving_out_is_wished_for(mending: Mending) -> None:
    data = text(*good(), b"oops", line({"messages": said("user: 问", "tool: 答")}), line({"id": 1}))
    changes, rows, report = mending(data, "roles")
    assert not changes.touched
    assert rows[12:] == [b"oops", {"messages": said("user: 问", "tool: 答")}, {"id": 1}]
    assert report.rows == 15
    changes, rows, report = mending(data, LEAVE_OUT)
    assert (changes.left_out, len(rows), report.ok) == ({LEAVE_OUT: 3}, 12, True)
    assert [(change.line, change.after) for change in changes.examples] == [(13, ""), (14, ""), (15, "")]
    assert changes.examples[0].before == "oops"


def test_a_row_that_cannot_be_read_at_all_is_said_to_be_gone(mending: Mending) -> None:
    changes, rows, _ = mending(text(*good(), b"x" * ((16 << 20) + 1)), "roles")
    assert (changes.left_out, len(rows)) == ({"unreadable": 1}, 12)


def test_duplicates_go_and_the_first_stays(mending: Mending) -> None:
    spelled = json.dumps(json.loads(good()[3]), ensure_ascii=True, indent=None, separators=(" , ", " : ")).encode()
    changes, rows, report = mending(text(*good(), good()[3], spelled), "duplicates")
    assert (changes.left_out, report.exact_duplicates) == ({"duplicates": 2}, 0)
    assert rows == [json.loads(each) for each in good()]


def test_near_duplicates_go(mending: Mending) -> None:
    story = "从前有座山，山里有座庙，庙里有个老和尚在讲故事，讲的是什么呢？"
    near = [line(chat(f"讲个故事{mark}", story * 4 + mark)) for mark in ("。", "！", "？")]
    changes, rows, _ = mending(text(*good(), *near), "near_duplicates")
    assert (changes.left_out, len(rows)) == ({"near_duplicates": 2}, 13)


def test_everybody_gets_the_system_prompt(mending: Mending) -> None:
    data = text(line({"messages": HELLO}), line({"messages": [*said("system: 旧"), *HELLO]}))
    _, rows, report = mending(data, "system", system="新")
    assert rows == [{"messages": [*said("system: 新"), *HELLO]}] * 2
    assert report.system_prompts == (("新", 2),)


def test_personal_data_is_masked(mending: Mending) -> None:
    data = text(*good(), line(chat("打 13812345678 找我", "好，写信到 ming@example.org")))
    changes, rows, _ = mending(data, "mask")
    assert changes.counts == {"mask": 1}
    assert "13812345678" not in json.dumps(rows)
    assert "ming@example.org" not in json.dumps(rows)
    assert "138****5678" in json.dumps(rows)


def test_other_shapes_become_messages(mending: Mending) -> None:
    rows = [
        {"conversations": [{"from": "human", "value": f"问{n}"}, {"from": "gpt", "value": "答"}]} for n in range(12)
    ]
    bad = {"conversations": [{"from": "human", "value": "问"}, {"from": "客服", "value": "答"}]}
    twice = {"conversations": [*rows[0]["conversations"], {"from": "gpt", "value": "再答"}]}
    changes, found, report = mending(text(*map(line, [*rows, twice, bad])))
    assert changes.counts == {"join": 1}
    assert found[12] == {"messages": said("user: 问0", "assistant: 答\n再答")}
    assert found[13] == {"messages": said("user: 问", "客服: 答")}
    assert report.format == "messages"
    assert [(finding.line, finding.rule) for finding in report.findings if finding.severity == "error"] == [(14, "R4")]


def test_tables_and_arrays_become_lines(mending: Mending) -> None:
    table = "question,answer\n" + "".join(f"问{n},答\n" for n in range(12)) + "问x,\n"
    changes, rows, report = mending(table.encode(), name="data.csv")
    assert (changes.left_out, len(rows), report.ok) == ({"empty": 1}, 12, True)
    array = b"[" + b",\n".join(good()) + line(chat("新问", "新答")) + b",]"
    changes, rows, report = mending(array, name="data.json")
    assert (len(rows), report.ok, report.container) == (13, True, "jsonl")


def test_a_change_is_shown_where_it_is(mending: Mending) -> None:
    long = "很长的开头。" * 200
    changes, _, _ = mending(
        text(*good(), line({"messages": said(f"system: {long}", "human: 你好", "assistant: 您好")})), "roles"
    )
    (change,) = changes.examples
    assert '"human"' in change.before
    assert '"user"' in change.after
    assert change.before.startswith("…")
    assert max(len(change.before), len(change.after)) <= 240


def test_long_rows_are_split_where_they_can_be() -> None:
    paragraphs = [f"第{n}段：" + "字" * 60 + "。" for n in range(12)]
    row = [
        *said("system: 规"),
        {"role": "user", "content": "讲"},
        {"role": "assistant", "content": "\n\n".join(paragraphs)},
    ]
    rows = split_row(row, 300, len)
    assert rows is not None
    assert len(rows) > 2
    for part in rows:
        assert part[0] == row[0]
        assert [message["role"] for message in part[1:]] == ["user", "assistant"] * (len(part) // 2)
        assert sum(len(message["content"]) + 8 for message in part) <= 300
    answers = [message["content"] for part in rows for message in part if message["role"] == "assistant"]
    assert "\n\n".join(answers) == "\n\n".join(paragraphs)
    assert all(part[1]["content"] == "请继续。" for part in rows[1:])
    assert split_row(row, 10_000, len) is None


def test_turns_are_kept_together_when_a_row_is_split() -> None:
    turns = [turn for n in range(6) for turn in said(f"user: Question {n}", "assistant: " + "word " * 10)]
    rows = split_row(turns, 200, len)
    assert rows is not None
    assert [message for part in rows for message in part] == turns
    assert all(len(part) % 2 == 0 for part in rows)


def test_what_cannot_be_split_stays() -> None:
    assert split_row(said("user: " + "问" * 500, "assistant: 答"), 100, len) is None


def test_one_error_of_each_kind_becomes_a_dataset(mending: Mending) -> None:
    data = (Path(__file__).parents[3] / "examples" / "one_error_of_each_kind.jsonl").read_bytes()
    changes, _, report = mending(data)
    assert not [finding for finding in report.findings if finding.mendable and finding.severity == "error"]
    assert changes.rows_before == 37
    _, _, clean = mending(data, *of_all(mends_of(report)), *changes.counts, LEAVE_OUT)
    assert clean.ok


_words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
_roles = st.sampled_from(["system", "user", "assistant", "human", "gpt", "tool", "wizard", 1, None])
_contents = st.one_of(_words, st.none(), st.just(""), st.lists(st.one_of(_words, st.just({"text": "x"})), max_size=2))
_messages = st.lists(
    st.one_of(st.fixed_dictionaries({"role": _roles, "content": _contents}), st.just({"role": "user"}), st.just("x")),
    max_size=6,
)
_rows = st.one_of(
    st.fixed_dictionaries({"messages": _messages}).map(lambda row: json.dumps(row).encode()),
    _messages.map(lambda row: json.dumps(row).encode()),
    st.fixed_dictionaries({"messages": _messages}).map(lambda row: repr(row).encode("utf-8", "replace")),
    st.binary(max_size=30).filter(lambda row: b"\n" not in row),
    st.sampled_from(good()),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(_rows, min_size=1, max_size=6))
def test_mending_any_rows(mending: Mending, rows: list[bytes]) -> None:
    """All rows that can be mended are, in one go; doing it again changes nothing; no row is lost unseen."""
    data = text(*good(), *rows)
    changes, found, report = mending(data, *of_all(mends_of_all()))
    # A row that stays wrong in another way is not touched at all.
    errors = [finding for finding in report.findings if finding.severity == "error"]
    hopeless = {finding.line for finding in errors if not finding.mendable}
    assert {finding.line for finding in errors} == hopeless
    written = text(*[row if isinstance(row, bytes) else line(row) for row in found])
    again, same, _ = mending(written, *of_all(mends_of_all()))
    assert not again.touched
    assert same == found
    assert changes.rows_before - sum(changes.left_out.values()) <= changes.rows_after
    _, _, clean = mending(data, *of_all(mends_of_all()), LEAVE_OUT)
    assert clean.ok


def mends_of_all() -> list[Any]:
    """Every mend there is."""
    from finetune.datasets.mending.kinds import Mend

    return [Mend(name, 1) for name in FINDINGS]


async def test_the_worst_file_costs_an_error_only(tmp_path: Path) -> None:
    source, target = tmp_path / "upload", tmp_path / "mended.jsonl"
    source.write_bytes(text(*good(), b"[" * 5_000_000, repr({"messages": HELLO}).encode() * 3, b"{" * 100_000))
    changes = await mended(source, target, Wish(("text", "two_objects")), name="upload.jsonl", memory_bytes=700 << 20)
    assert changes.rows_before == 15
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mended.jsonl", "upload"]
    report = await examine(target, tmp_path / "canonical.jsonl")
    assert report.good_rows >= 12
