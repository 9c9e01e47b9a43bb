"""``tuneteller validate`` of image sets: folders and archives, for people and for CI."""

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import EXAMPLES, run
from tests.finetune.images.samples import drawn, encoded, good, packed, spread


def small(count: int) -> dict[str, bytes]:
    return {f"{number}.png": encoded(drawn(64, 64, number), "PNG") for number in range(count)}


def test_a_good_folder_gives_exactly_this_object(tmp_path: Path) -> None:
    files = good(10)
    spread(tmp_path / "totoro", files)
    done = run("validate", "totoro", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "ok": True,
        "format": "images",
        "images": 10,
        "captions": 10,
        "bytes": sum(map(len, files.values())),
        "findings": [],
        "findings_total": 0,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["totoro"], "nothing is left beside it"


def test_warnings_alone_are_0_and_errors_1(tmp_path: Path) -> None:
    files = small(3)
    packed(tmp_path / "few.zip", files)
    done = run("validate", "few.zip", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "few.zip: the images can be trained on" in done.stdout
    assert "Images: 3 (" in done.stdout
    assert "Only 3 images" in done.stdout
    packed(tmp_path / "bad.zip", {**files, "2.png": files["2.png"][:-30]})
    done = run("validate", "bad.zip", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert all(list(finding) == ["severity", "file", "reason"] for finding in found["findings"])
    assert found["findings_total"] == len(found["findings"])
    (error,) = [finding for finding in found["findings"] if finding["severity"] == "error"]
    assert error["file"] == "2.png"
    chinese = run("validate", "bad.zip", folder=tmp_path, language="zh_CN.UTF-8")
    assert chinese.returncode == 1
    assert "图片 3" in chinese.stdout or "第 3 张" in chinese.stdout


def test_what_cannot_be_judged_is_2(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(1001):
        (tmp_path / "pictures" / f"{number}.jpg").touch()
    packed(tmp_path / "few.zip", small(1))
    for arguments in (("few.zip", "--mend", "out.zip"), ("few.zip", "--base", "x"), ("pictures",), ("nothing.zip",)):
        done = run("validate", *arguments, folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr
        assert json.loads(run("validate", *arguments, "--json", folder=tmp_path).stdout)["error"]["reason"]
    assert not (tmp_path / "out.zip").exists()


def test_a_training_is_refused_with_the_reason(tmp_path: Path) -> None:
    packed(tmp_path / "few.zip", small(1))
    done = run("train", "few.zip", "--trigger", "ttr", folder=tmp_path)
    assert done.returncode == 1
    assert "none is set up" in done.stderr


def test_a_packed_text_dataset_stays_one(tmp_path: Path) -> None:
    packed(tmp_path / "text.zip", {"f.jsonl": (EXAMPLES / "fortune_telling.jsonl").read_bytes()})
    done = run("validate", "text.zip", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["format"] == "messages"


@pytest.mark.parametrize("folder", [False, True])
def test_a_set_is_trained_on_as_in_the_chat(tmp_path: Path, folder: bool) -> None:
    """Planned, kept, handed over: its provider makes the files ready, and says that somebody has to press start."""
    name = spread(tmp_path / "totoro", good(3)).name if folder else packed(tmp_path / "totoro.zip", good(3)).name
    key = {"SILICONFLOW_API_KEY": "sk-of-the-test-0000000000"}
    planned = run("train", name, "--trigger", "ttr", "--repeats", "4", "--dry-run", folder=tmp_path, **key)
    assert planned.returncode == 0, planned.stderr
    assert "--repeats 4 --trigger ttr" in planned.stdout
    assert "FLUX.1-dev" in planned.stdout
    done = run("train", name, "--trigger", "ttr", folder=tmp_path, **key)
    assert done.returncode == 0, done.stderr
    assert "Job 1" in done.stdout
    assert "/handover_1" in done.stdout
    again = run("train", name, "--dry-run", folder=tmp_path, **key)
    assert "/train 1 " in again.stdout, "the same pictures are the same dataset"


def test_a_set_with_errors_is_refused_with_all_of_them(tmp_path: Path) -> None:
    packed(tmp_path / "bad.zip", {**good(3), "3.jpg": b"no picture"})
    done = run("train", "bad.zip", folder=tmp_path, SILICONFLOW_API_KEY="sk-of-the-test-0000000000")
    assert done.returncode == 1
    assert "3.jpg" in done.stderr
