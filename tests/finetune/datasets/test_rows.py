"""Reading and splitting a canonical file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.datasets import rows, split
from tests.finetune.datasets.samples import good, text


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
    source.write_bytes(text(*[b'{"messages":%d}' % number for number in texts]))
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
