"""A terminal sees how far a long piece of work is, and keeps nothing of it."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.test_commands import EXAMPLES, ROOT, run

UP_AND_AWAY = "\x1b[1A\r\x1b[K"


def row(number: int) -> dict[str, object]:
    question = f"Why is it {number} and not {number + 1}?"
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": f"{question} indeed."}]
    return {"messages": turns}


def on_a_terminal(folder: Path, language: str, *arguments: str) -> tuple[int, bytes, str]:
    """The status of a command, its output, and what a terminal was shown meanwhile."""
    mine, its = pty.openpty()
    shown: list[bytes] = []

    def look() -> None:
        # Ends with an error once nobody holds the other side any more.
        while True:
            try:
                shown.append(os.read(mine, 1 << 16))
            except OSError:
                return

    looking = threading.Thread(target=look)
    looking.start()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": language},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=its,
    )
    os.close(its)
    out, _ = process.communicate(timeout=120)
    looking.join(timeout=60)
    os.close(mine)
    return process.returncode, out, b"".join(shown).decode()


def frames(shown: str, label: str) -> list[tuple[int, float, float]]:
    """Of every picture of a bar: per cent, megabytes done and in all."""
    number = r"(\d+(?:\.\d)?)"
    found = re.findall(rf"\r\x1b\[\?25l{label}  \[[#-]{{24}}\] +(\d+)%.*?  {number} (?:of|/) {number} MB", shown)
    return [(int(share), float(done), float(total)) for share, done, total in found]


@pytest.mark.parametrize(
    ("language", "label"),
    [("en_GB.UTF-8", "counting tokens, finding duplicates"), ("zh_CN.UTF-8", "正在统计 token、查找重复")],
)
def test_validate_shows_how_much_is_measured(tmp_path: Path, language: str, label: str) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text("".join(json.dumps(row(number)) + "\n" for number in range(40_000)))
    status, out, shown = on_a_terminal(tmp_path, language, "validate", "long.jsonl", "--json")
    assert status == 0
    assert json.loads(out)["rows"] == 40_000
    seen = frames(shown, label)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert {total for *_, total in seen} == {round(file.stat().st_size / 1e6, 1)}
    assert all(share == pytest.approx(100 * done / total, abs=2) for share, done, total in seen)
    assert shown.endswith(UP_AND_AWAY)


def test_convert_shows_how_much_is_judged(tmp_path: Path) -> None:
    rows = ", ".join(json.dumps(row(number), indent=1) for number in range(20_000))
    (tmp_path / "long.json").write_text("[" + ", ".join([rows] * 20) + "]")
    status, _, shown = on_a_terminal(tmp_path, "C.UTF-8", "convert", "long.json", "--to", "messages", "-o", "out.jsonl")
    assert status == 0
    assert len(frames(shown, "judging")) > 1
    assert shown.endswith(UP_AND_AWAY)
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 400_000


def test_what_is_soon_done_shows_nothing(tmp_path: Path) -> None:
    name = str(EXAMPLES / "one_error_of_each_kind.jsonl")
    status, _, shown = on_a_terminal(tmp_path, "C.UTF-8", "convert", name, "--to", "messages", "-o", "out.jsonl")
    assert (status, shown) == (1, "")


def test_a_log_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row(number)) + "\n" for number in range(40_000)))
    assert run("validate", "long.jsonl", "--json", folder=tmp_path).stderr == ""
