"""A tuned model as one file: what goes in comes out, and what was tampered with does not."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import DatasetError
from finetune.evaluation.bundle import Facts, card, pack, unpack
from finetune.evaluation.measures import verdict
from tests.finetune.evaluation.contestants import Ground

FACTS = Facts(
    name="运势",
    version=3,
    base="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    data_digest="ab" * 32,
    hyperparameters={"rank": 8.0},
    seed=42,
    system_prompt="You tell fortunes.",
    sampling={"temperature": 0.7},
    validation=(3.7, 2.3),
    evaluation=None,
)


def made(folder: Path, facts: Facts = FACTS) -> Path:
    adapter = folder / "adapter.gguf"
    adapter.write_bytes(b"weights" * 1000)
    pack(folder / "m.zip", facts, {"adapter.gguf": adapter}, {"verdict.png": b"png"})
    return folder / "m.zip"


def test_what_goes_in_comes_out(tmp_path: Path, ground: Ground) -> None:
    facts = replace(FACTS, evaluation=json.loads(json.dumps(verdict(ground.material(ground.good)).as_json())))
    source = made(tmp_path, facts)
    out = tmp_path / "out"
    out.mkdir()
    found, adapter = unpack(source, out)
    assert found == facts
    assert {name: path.read_bytes() for name, path in adapter.items()} == {"adapter.gguf": b"weights" * 1000}
    with zipfile.ZipFile(source) as archive:
        text = archive.read("README.md").decode()
    assert "licence of the base: Apache-2.0" in text
    assert FACTS.data_digest in text
    assert "- fits: passed" in text
    assert "It was not evaluated." in card(FACTS)


def rewritten(source: Path, target: Path, change: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change.get(name, old.read(name)))
    return target


def test_what_was_tampered_with_is_refused(tmp_path: Path) -> None:
    source = made(tmp_path)
    with pytest.raises(DatasetError) as damaged:
        unpack(rewritten(source, tmp_path / "a.zip", {"adapter/adapter.gguf": b"other"}), tmp_path)
    assert damaged.value.code == "bundle_damaged"
    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    manifest["members"] = {"adapter/../../out.txt": "0" * 64}
    data = json.dumps(manifest).encode()
    for change in ({"manifest.json": data}, {"manifest.json": b"{}"}, {"manifest.json": b"["}):
        with pytest.raises(DatasetError) as refused:
            unpack(rewritten(source, tmp_path / "b.zip", change), tmp_path)
        assert refused.value.code == "bundle_unreadable"
    assert not (tmp_path.parent / "out.txt").exists()
    (tmp_path / "c.zip").write_bytes(source.read_bytes()[:200])
    with pytest.raises(DatasetError):
        unpack(tmp_path / "c.zip", tmp_path)


def with_facts(folder: Path, source: Path, **facts: Any) -> Path:
    """The file with other facts, its hashes in order."""
    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    manifest["facts"].update(facts)
    return rewritten(source, folder / "other.zip", {"manifest.json": json.dumps(manifest).encode()})


@pytest.mark.parametrize(
    "facts",
    [
        {"name": 7},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"base": None},
        {"seed": 1 << 64},
        {"seed": -1},
        {"system_prompt": ["a"]},
        {"system_prompt": "x" * 200_000},
        {"sampling": {"temperature": {"a": 1}}},
        {"sampling": {"stop": [["a"]]}},
        {"hyperparameters": {"rank": "many"}},
        {"hyperparameters": {"rank\n": 1.0}},
        {"hyperparameters": {f"rank_{number}": 1.0 for number in range(100)}},
        {"validation": [1.0]},
        {"validation": ["a", "b"]},
        {"validation": [float("nan"), 1.0]},
        {"validation": [float("inf"), 1.0]},
        {"evaluation": {}},
        {"evaluation": []},
        {"evaluation": {"questions": 20}},
        {"surprise": 1},
    ],
)
def test_facts_that_nobody_could_show_are_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    source = with_facts(tmp_path, made(tmp_path), **facts)
    with pytest.raises(DatasetError) as refused:
        unpack(source, tmp_path)
    assert refused.value.code == "bundle_unreadable"


def test_a_verdict_with_words_of_its_own_is_refused(tmp_path: Path, ground: Ground) -> None:
    good = json.loads(json.dumps(verdict(ground.material(ground.good)).as_json()))
    source = made(tmp_path, replace(FACTS, evaluation=good))
    assert unpack(source, tmp_path)[0].evaluation == good
    gate = {"name": "learned", "state": "passed", "facts": []}
    changes: tuple[dict[str, Any], ...] = (
        {"gates": [{**gate, "name": "kind"}]},
        {"gates": [{**gate, "state": "sure"}]},
        {"gates": [{**gate, "facts": [["a", "b"]]}]},
        {"gates": [{**gate, "name": "copied", "facts": [["total", 3.0]]}]},
        {"gates": [{**gate, "name": "general", "facts": [["total", 3.0]]}]},
        {"thin": ["../../etc"]},
        {"judges": {"me": None}},
        {"styles": {"me": None}},
        {"questions": "many"},
        {"curve": [[1]]},
        {"provenance": {}},
    )
    for change in changes:
        with pytest.raises(DatasetError) as refused:
            unpack(with_facts(tmp_path, source, evaluation={**good, **change}), tmp_path)
        assert refused.value.code == "bundle_unreadable", change


def test_what_travels_with_questions_is_what_it_may_be(tmp_path: Path) -> None:
    sampling = {"temperature": 0.5, "stop": ["#"], "extra_body": {"grammar": "x"}, "model": "other", "messages": []}
    facts, _ = unpack(with_facts(tmp_path, made(tmp_path), sampling=sampling), tmp_path)
    assert facts.sampling == {"temperature": 0.5, "stop": ["#"]}


def test_archives_made_to_harm_are_refused(tmp_path: Path) -> None:
    source = made(tmp_path)
    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read("manifest.json"))

    def named(name: str) -> bytes:
        return json.dumps({**manifest, "members": {f"adapter/{name}": "0" * 64}}).encode()

    nested = b'{"format": 1, "facts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    names = ("..", "/etc/passwd", "a/b", "a\\b", "\x00", ".hidden", "x" * 300, "C:evil", "")
    for data in (nested, b'{"format": NaN}', b"[]", b"null", b"\xff", *map(named, names)):
        with pytest.raises(DatasetError) as refused:
            unpack(rewritten(source, tmp_path / "h.zip", {"manifest.json": data}), tmp_path / "out")
        assert refused.value.code == "bundle_unreadable", data[:80]
    # A manifest that is a bomb, one that is missing, and a file whose packed bytes are broken.
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("manifest.json", b" " * (9 << 20))
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as none:
        none.writestr("README.md", b"")
    (tmp_path / "text.zip").write_bytes(b"not a zip at all")
    broken = bytearray(source.read_bytes())
    start = broken.index(b"adapter/adapter.gguf") + 20
    broken[start : start + 8] = b"\xff" * 8
    (tmp_path / "broken.zip").write_bytes(broken)
    for name in ("bomb", "none", "text", "broken"):
        with pytest.raises(DatasetError) as refused:
            unpack(tmp_path / f"{name}.zip", tmp_path)
        assert refused.value.code in ("bundle_unreadable", "bundle_damaged"), name


def test_what_says_that_it_is_huge_is_not_unpacked(tmp_path: Path) -> None:
    source = bytearray(made(tmp_path).read_bytes())
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        size = archive.getinfo("adapter/adapter.gguf").file_size
    # In the central directory, which is what is believed.
    place = source.rindex(size.to_bytes(4, "little"))
    source[place : place + 4] = (0xFFFF_FFF0).to_bytes(4, "little")
    (tmp_path / "huge.zip").write_bytes(source)
    with pytest.raises(DatasetError) as refused:
        unpack(tmp_path / "huge.zip", tmp_path)
    assert refused.value.code == "bundle_too_large"
