"""``tuneteller convert``: the whole canonical file or none, and never over anything by accident."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_commands import EXAMPLES, ROOT, run
from tests.cli.test_validate import PICTURE, row

DETAILS = EXAMPLES / "all_details.json"
BAD = EXAMPLES / "one_error_of_each_kind.jsonl"


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_questions_and_answers_become_messages(tmp_path: Path) -> None:
    done = run("convert", str(DETAILS), "--to", "messages", "-o", "out.jsonl", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Written: out.jsonl. Rows: 30" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 30
    assert [message["role"] for message in rows[0]["messages"]] == ["system", "user", "assistant"]
    assert names(tmp_path) == {"out.jsonl"}


def test_converting_what_was_converted_changes_nothing(tmp_path: Path) -> None:
    assert run("convert", str(DETAILS), "--to", "messages", "-o", "one.jsonl", folder=tmp_path).returncode == 0
    assert run("convert", "one.jsonl", "--to", "messages", "-o", "two.jsonl", folder=tmp_path).returncode == 0
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert run("validate", "two.jsonl", folder=tmp_path).returncode == 0


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    done = run("convert", str(DETAILS), "--to", "messages", "-o", "out.jsonl", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "out.jsonl is there already" in done.stderr
    assert out.read_text() == "mine"
    forced = run("convert", str(DETAILS), "--to", "messages", "-o", "out.jsonl", "--force", folder=tmp_path)
    assert forced.returncode == 0
    assert len(out.read_text("utf-8").splitlines()) == 30


@pytest.mark.parametrize("name", ["in.jsonl", "./in.jsonl", "link.jsonl", "twin.jsonl"])
def test_a_file_is_never_converted_onto_itself(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(row("Why"))
    (tmp_path / "link.jsonl").symlink_to(source)
    (tmp_path / "twin.jsonl").hardlink_to(source)
    done = run("convert", "in.jsonl", "--to", "messages", "-o", name, "--force", folder=tmp_path)
    assert done.returncode == 2
    assert "is the file that is to be read" in done.stderr
    assert source.read_text() == row("Why")


def test_a_file_with_errors_is_1_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("mine")
    done = run("convert", str(BAD), "--to", "messages", "-o", "out.jsonl", "--force", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "Line 3 · R1" in done.stdout
    assert "Line 25 · R7" in done.stdout
    assert names(tmp_path) == {"out.jsonl"}
    assert (tmp_path / "out.jsonl").read_text() == "mine"


def test_unreadable_or_unwritable_is_2_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "picture.jsonl").write_bytes(PICTURE)
    (tmp_path / "folder").mkdir()
    before = names(tmp_path)
    for arguments, words in (
        (("picture.jsonl", "--to", "messages", "-o", "out.jsonl"), "no file of text or a table"),
        (("nothing.jsonl", "--to", "messages", "-o", "out.jsonl"), "There is no file nothing.jsonl"),
        ((str(DETAILS), "--to", "messages", "-o", "folder", "--force"), "folder is a folder"),
        ((str(DETAILS), "--to", "messages", "-o", "none/out.jsonl"), "none/out.jsonl cannot be written"),
        ((str(DETAILS), "--to", "poems", "-o", "out.jsonl"), "poems"),
        ((str(DETAILS), "--to", "messages"), "--output"),
    ):
        done = run("convert", *arguments, folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert names(tmp_path) == before


def test_chinese(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(row("Why"))
    arguments = ("convert", "in.jsonl", "--to", "messages", "-o", "out.jsonl")
    done = run(*arguments, folder=tmp_path, language="zh_CN.UTF-8")
    assert (done.returncode, done.stdout) == (
        0,
        "已写入：out.jsonl，共 1 条\n警告：1 个。查看：tuneteller validate 文件\n",
    )
    assert "out.jsonl 已存在" in run(*arguments, folder=tmp_path, language="zh_CN.UTF-8").stderr


def test_being_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text("".join(row(f"Why {n}?") for n in range(400_000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "convert", "long.jsonl", "--to", "messages", "-o", "out.jsonl"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "en_GB.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not any(name.endswith(".part") for name in names(tmp_path)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (128 + signal.SIGTERM, b"", b"")
    assert names(tmp_path) == {"long.jsonl"}
