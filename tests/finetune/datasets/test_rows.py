"""Reading and splitting a canonical file."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.datasets import rows, split
from finetune.datasets.near import METHOD, Near
from tests.finetune.datasets.samples import chat, good, line, text
from tests.finetune.datasets.test_near import overlap
from tests.finetune.datasets.words import changed, en, seeded, zh


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return tmp_path / "all.jsonl", tmp_path / "train.jsonl", tmp_path / "held.jsonl"


def test_a_tenth_is_held_out_and_every_row_is_somewhere(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*good(50)))
    assert split(source, training, validation, share=0.1, seed=7) == (45, 5)
    kept, held = training.read_bytes().splitlines(), validation.read_bytes().splitlines()
    assert sorted(kept + held) == sorted(good(50))
    assert kept == [row for row in good(50) if row not in held]


def test_the_seed_decides(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*good(50)))
    seen = []
    for seed in (1, 1, 2):
        split(source, training, validation, share=0.1, seed=seed)
        seen.append(validation.read_bytes())
    assert seen[0] == seen[1] != seen[2]


@given(
    texts=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    share=st.floats(0.01, 0.6),
    seed=st.integers(0, 1000),
)
def test_equal_rows_stay_together(
    tmp_path_factory: pytest.TempPathFactory, texts: list[int], share: float, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    source, training, validation = folder / "all", folder / "train", folder / "held"
    source.write_bytes(text(*[line(chat("问", f"{number}" * 9)) for number in texts]))
    kept, held = split(source, training, validation, share=share, seed=seed)
    assert kept + held == len(texts)
    assert kept >= 1
    if len(set(texts)) == 1:
        assert held == 0
    if held:
        left, right = set(training.read_bytes().splitlines()), set(validation.read_bytes().splitlines())
        assert not left & right
    else:
        assert len(set(texts)) == 1
        assert not validation.exists()


def near_rows(seed: int, sizes: list[int]) -> list[bytes]:
    """Clusters of so many near rows each, mixed."""
    chance = seeded(seed)
    rows = []
    for size in sizes:
        answer = zh(chance, 300) if chance.random() < 0.5 else en(chance, 60)
        rows += [line(chat("明天如何？", changed(chance, answer, number % 3))) for number in range(size)]
    chance.shuffle(rows)
    return rows


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    share=st.floats(0.01, 0.6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_near_rows_stay_together(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], share: float, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    source, training, validation = folder / "all", folder / "train", folder / "held"
    source.write_bytes(text(*near_rows(seed, sizes)))
    kept, held = split(source, training, validation, share=share, seed=seed)
    assert kept + held == sum(sizes)
    assert kept >= 1
    assert bool(held) == validation.exists() == (len(sizes) > 1)
    left = [orjson.loads(row)["messages"] for row in training.read_bytes().splitlines()]
    right = [orjson.loads(row)["messages"] for row in validation.read_bytes().splitlines()] if held else []
    assert (len(left), len(right)) == (kept, held)
    assert all(overlap(one, other) < METHOD.threshold for one in left for other in right)


def test_one_cluster_is_never_divided(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*near_rows(1, [40])))
    assert split(source, training, validation, share=0.5, seed=0) == (40, 0)
    assert not validation.exists()


def test_something_is_left_for_training_whatever_the_share(files: tuple[Path, Path, Path]) -> None:
    files[0].write_bytes(text(*good(2)))
    assert split(*files, share=0.99, seed=0) == (1, 1)


def test_the_largest_cluster_goes_to_training_when_it_is_more_than_the_share(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*near_rows(1, [40, 2])))
    for seed in range(6):
        assert split(source, training, validation, share=0.1, seed=seed) == (40, 2)


def test_past_the_limit_of_near_duplicates_only_equal_rows_stay_together(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, training, validation = files
    defaults = Near.__init__.__kwdefaults__ or {}
    monkeypatch.setattr(Near.__init__, "__kwdefaults__", {**defaults, "max_rows": 20})
    source.write_bytes(text(*near_rows(1, [40]), *good(1), *good(1)))
    kept, held = split(source, training, validation, share=0.3, seed=0)
    assert (kept + held, bool(held)) == (42, True)
    assert not set(training.read_bytes().splitlines()) & set(validation.read_bytes().splitlines())


def test_another_process_splits_the_same(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*near_rows(3, [3, 1, 2, 1, 1, 5, 1, 1, 1, 1])))
    split(source, training, validation, share=0.2, seed=11)
    here = validation.read_bytes()
    code = (
        "import sys; from pathlib import Path; from finetune.datasets import split;"
        "split(*map(Path, sys.argv[1:4]), share=0.2, seed=11)"
    )
    for hash_seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, *map(str, files)],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            check=True,
        )
        assert validation.read_bytes() == here


@pytest.mark.parametrize(("count", "share", "expected"), [(2, 0.1, (1, 1)), (1, 0.1, (1, 0)), (9, 0.0, (9, 0))])
def test_small_files_and_no_share(files: tuple[Path, Path, Path], count: int, share: float, expected: object) -> None:
    source, training, validation = files
    validation.write_bytes(b"from before")
    source.write_bytes(text(*good(count)))
    assert split(source, training, validation, share=share, seed=0) == expected
    assert validation.exists() == bool(share and count > 1)


def test_a_share_that_makes_no_sense(files: tuple[Path, Path, Path]) -> None:
    with pytest.raises(ValueError, match="share"):
        split(*files, share=1.0, seed=0)


def test_a_failed_split_leaves_nothing(files: tuple[Path, Path, Path]) -> None:
    source, training, validation = files
    source.write_bytes(text(*good()))
    training.mkdir()
    with pytest.raises(IsADirectoryError):
        split(source, training, validation, share=0, seed=0)
    assert sorted(source.parent.iterdir()) == [source, training]


def test_rows_for_a_preview(files: tuple[Path, Path, Path]) -> None:
    files[0].write_bytes(text(*good(5)))
    assert [row["messages"][1]["content"][:3] for row in rows(files[0], 3, 9)] == ["第3问", "第4问"]
    assert rows(files[0], 5, 1) == []
