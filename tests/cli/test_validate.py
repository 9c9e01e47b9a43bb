"""``tuneteller validate`` for people and for CI: what it prints, and its exit status."""

import json
from pathlib import Path
from typing import Any

from finetune.datasets.vocabularies import Shipped, vocabulary
from tests.cli.test_commands import EXAMPLES, run

GOOD = EXAMPLES / "fortune_telling.jsonl"
BAD = EXAMPLES / "one_error_of_each_kind.jsonl"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(300)


def row(question: str) -> str:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": f"{question} indeed."}]
    return json.dumps({"messages": messages}) + "\n"


def kinds(value: object) -> object:
    """The shape of a JSON value: its keys in order, and the kinds of what they hold."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    return type(value).__name__


def test_a_clean_file_gives_exactly_this_object(tmp_path: Path) -> None:
    done = run("validate", str(GOOD), "--json", "--max-tokens", "100", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == [
        "ok",
        "format",
        "encoding",
        "rows",
        "turns",
        "characters",
        "tokens",
        "duplicates",
        "findings",
        "findings_total",
        "advice",
    ]
    assert (found["ok"], found["format"], found["encoding"]) == (True, "messages", "utf-8")
    assert (found["rows"], found["turns"]) == (160, 172)
    assert kinds(found["tokens"]) == {"count": "int", "method": "str", "exact": "bool"}
    assert found["duplicates"] == {"exact": 0, "near": 0}
    assert (found["findings"], found["findings_total"]) == ([], 0)
    advice = {piece["code"]: piece["text"] for piece in found["advice"]}
    assert all(list(piece) == ["code", "text"] for piece in found["advice"])
    assert "50 optimiser steps" in advice["quality_trains_less"]
    assert "more than 100" in advice["over_max_tokens"]


def test_findings_have_exactly_these_keys(tmp_path: Path) -> None:
    done = run("validate", str(BAD), "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert kinds(found["tokens"]) == {"count": "int", "method": "str", "exact": "bool"}
    assert kinds(found["duplicates"]) == {"exact": "int", "near": "int"}
    shape = {"rule": "str", "severity": "str", "line": "int", "message": "int", "reason": "str", "mendable": "bool"}
    for finding in found["findings"]:
        assert kinds(finding) in (shape, {**shape, "message": "NoneType"})
        assert list(finding) == list(shape)
    assert {finding["severity"] for finding in found["findings"]} == {"error", "warning"}


def test_warnings_alone_are_0(tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text(row("Why") + row("Who"))
    done = run("validate", "few.jsonl", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Line 1 · W9" in done.stdout
    assert "→ Rows that can be trained on: 2." in done.stdout
    assert "→ The standard preset makes 3 optimiser steps" in done.stdout


def test_chinese_advice_and_findings(tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text(row("Why") + '{"messages": []}\n')
    done = run("validate", "few.jsonl", "--json", folder=tmp_path, language="zh_CN.UTF-8")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    for text in (*(entry["reason"] for entry in found["findings"]), *(entry["text"] for entry in found["advice"])):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text), text
    assert "可用于训练的样本：1 条" in next(e["text"] for e in found["advice"] if e["code"] == "few_rows")


def test_json_stays_utf8_on_a_terminal_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text(row("Why"))
    done = run("validate", "few.jsonl", "--json", folder=tmp_path, language="zh_CN", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "可用于训练的样本" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_unreadable_is_2_with_one_object(tmp_path: Path) -> None:
    (tmp_path / "picture.jsonl").write_bytes(PICTURE)
    for name, code, language in (
        ("picture.jsonl", "dataset_binary", "en_GB.UTF-8"),
        ("nothing.jsonl", "file_missing", "zh_CN.UTF-8"),
        (".", "file_missing", "en_GB.UTF-8"),
    ):
        done = run("validate", name, "--json", folder=tmp_path, language=language)
        assert (done.returncode, done.stderr) == (2, "")
        found = json.loads(done.stdout)
        assert found == {"ok": False, "error": {"code": code, "reason": found["error"]["reason"]}}
    plain = run("validate", "picture.jsonl", folder=tmp_path)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr.startswith("This is no file of text or a table that can be read.")


def test_a_file_is_mended_into_another(tmp_path: Path) -> None:
    before = BAD.read_bytes()
    done = run("validate", str(BAD), "--mend", "mended.jsonl", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "Mended into mended.jsonl:" in done.stdout
    assert "roles renamed: 1" in done.stdout
    again = json.loads(run("validate", "mended.jsonl", "--json", folder=tmp_path).stdout)
    assert (
        0
        < again["findings_total"]
        < json.loads(run("validate", str(BAD), "--json", folder=tmp_path).stdout)["findings_total"]
    )
    assert not any(finding["mendable"] and finding["severity"] == "error" for finding in again["findings"])
    there = run("validate", str(BAD), "--mend", "mended.jsonl", folder=tmp_path)
    assert (there.returncode, there.stdout) == (2, "")
    done = run("validate", str(BAD), "--mend", "clean.jsonl", "--leave-out", folder=tmp_path)
    assert done.returncode == 1
    assert run("validate", "clean.jsonl", folder=tmp_path).returncode == 0
    assert BAD.read_bytes() == before


def test_a_reading_has_to_be_chosen(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "completion": "a", "question": f"other {n}", "answer": "b"} for n in range(12)]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    done = run("validate", "two.jsonl", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--reading: prompt_completion, question_answer" in done.stderr
    done = run("validate", "two.jsonl", "--reading", "question_answer", "--json", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["format"]) == (0, "question_answer")
    details = run("validate", str(EXAMPLES / "all_details.json"), "--json", folder=tmp_path)
    assert (details.returncode, json.loads(details.stdout)["format"]) == (0, "question_response")


def test_wrong_arguments_are_2(tmp_path: Path) -> None:
    for arguments, code in (
        (("--max-tokens", "4097"), "parameter_range"),
        (("--max-tokens", "0"), "parameter_range"),
        (("--max-tokens", "many"), "parameter_whole"),
        (("--base", "no such base"), "base_missing"),
    ):
        done = run("validate", str(GOOD), "--json", *arguments, folder=tmp_path)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["code"] == code
    assert run("validate", folder=tmp_path).returncode == 2


def test_a_base_whose_vocabulary_is_broken_is_2_without_a_traceback(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (base / name).write_text("{}")
    done = run("validate", str(GOOD), "--base", str(base), folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "broke off" in done.stderr
    assert "Traceback" not in done.stderr


def test_tokens_of_a_base_that_is_not_here_are_counted_exactly(tmp_path: Path) -> None:
    done = run("validate", str(GOOD), "--json", "--base", "Qwen/Qwen2.5-7B-Instruct", folder=tmp_path)
    assert done.returncode == 0
    contents = [
        message["content"] for line in GOOD.read_text().splitlines() for message in json.loads(line)["messages"]
    ]
    expected = sum(vocabulary(Shipped("Qwen2.5")).lengths(contents))
    assert json.loads(done.stdout)["tokens"] == {"count": expected, "method": "tokenizer", "exact": True}


def test_a_data_folder_that_cannot_be_made_costs_only_the_tokens(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = run("validate", str(GOOD), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Tokens: about" in done.stdout
