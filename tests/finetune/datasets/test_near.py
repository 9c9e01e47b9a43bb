"""Near-duplicates, beside a search that compares every pair."""

import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.datasets import near
from finetune.datasets.near import METHOD, Near, NearGroups, near_groups
from finetune.datasets.shingles import SHINGLE, folded
from tests.finetune.datasets.samples import chat
from tests.finetune.datasets.words import changed, en, seeded, zh

Row = list[dict[str, str]]


def row(*turns: str, system: str | None = "你是算命先生。") -> Row:
    messages: Row = chat(*turns, system=system)["messages"]
    return messages


# The reference: plain sets, all pairs.


def letters(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] not in "PZC")


def pieces(messages: Row) -> set[str]:
    text = letters("".join(message["content"] for message in messages if message["role"] != "system"))
    return {text[place : place + SHINGLE] for place in range(max(1, len(text) - SHINGLE + 1))} if text else set()


def overlap(left: Row, right: Row) -> float:
    a, b = pieces(left), pieces(right)
    return len(a & b) / len(a | b) if a and b else float(left == right)


def reference(rows: Sequence[Row], threshold: float = METHOD.threshold) -> list[int]:
    labels = list(range(len(rows)))
    for first, second in combinations(range(len(rows)), 2):
        if rows[first] == rows[second] or overlap(rows[first], rows[second]) >= threshold:
            old, new = sorted((labels[first], labels[second]), reverse=True)
            labels = [new if label == old else label for label in labels]
    return labels


def drawn(seed: int, count: int = 150) -> list[Row]:
    """Rows of which many are copies of earlier ones with a few characters changed, some beyond recognition."""
    chance = seeded(seed)
    rows: list[Row] = []
    for _ in range(count):
        if rows and chance.random() < 0.5:
            old = chance.choice(rows)
            share = chance.choice((0, 0.005, 0.02, 0.04, 0.2))
            rows.append(row(*(changed(chance, m["content"], int(share * len(m["content"]))) for m in old[1:])))
        elif chance.random() < 0.5:
            rows.append(row(zh(chance, chance.randint(2, 30)), zh(chance, chance.randint(3, 300))))
        else:
            rows.append(row(en(chance, chance.randint(2, 8)), en(chance, chance.randint(2, 60))))
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_the_clusters_are_those_of_comparing_all_pairs(seed: int) -> None:
    rows = drawn(seed)
    found = near_groups(rows)
    assert found.labels.tolist() == reference(rows)
    assert not found.sampled


words = st.lists(
    st.sampled_from(["出门", "遇见", "贵人", "ab", "Ａ", "，", " ", "明天下雨记得带伞", "12"]), max_size=25
)


@given(texts=st.lists(words.map("".join), max_size=14))
@settings(max_examples=150)
def test_clusters_are_a_partition_and_join_nothing_that_is_not_near(texts: list[str]) -> None:
    rows = [row("问", text) for text in texts]
    found = near_groups(rows)
    groups = list(found)
    members = [number for group in groups for number in group]
    assert len(members) == len(set(members))
    assert all(len(group) > 1 and group == sorted(group) for group in groups)
    alone = set(range(len(rows))) - set(members)
    assert all(found.labels[number] == number for number in alone)
    assert all(found.labels[number] == group[0] for group in groups for number in group)
    wide, strict = reference(rows), reference(rows, 0.95)
    for first, second in combinations(range(len(rows)), 2):
        together = found.labels[first] == found.labels[second]
        assert not together or wide[first] == wide[second]
        assert together or strict[first] != strict[second]


def test_equal_rows_and_near_ones_are_counted_apart() -> None:
    chance = seeded(1)
    text, other = zh(chance, 200), zh(chance, 200)
    near_text = "乙" + text[1:]
    found = near_groups([row("问", each) for each in (text, other, text, near_text, near_text, other, "短")])
    assert found.labels.tolist() == [0, 1, 0, 0, 0, 1, 6]
    assert list(found) == [[0, 2, 3, 4], [1, 5]]
    assert (found.exact_duplicates, found.near_duplicates, found.near_clusters) == (3, 1, 1)
    assert (found.compared, found.sampled) == (4, False)


def test_only_letters_count() -> None:
    same = [
        row("今天如何？", "ＯＫ，Très bien 一路顺风！ﬁne", system="甲"),
        row("今天如何", "ok tre\u0300s bien一路顺风FINE", system=None),
        row("今天\u200b如何…", "OK。Très  bien\n一路顺风fine", system="乙"),
    ]
    assert list(near_groups(same)) == [[0, 1, 2]]
    assert near_groups(same).exact_duplicates == 0


@given(st.text(max_size=60))
def test_folding_keeps_letters_and_is_the_same_alone_and_in_company(text: str) -> None:
    (alone,) = folded([text])
    _, beside, _ = folded(["㎏ﬁ。x", text, ""])
    assert alone.tolist() == beside.tolist()
    assert not any(chr(code).isspace() for code in alone.tolist())
    if text.isascii():
        assert "".join(map(chr, alone.tolist())) == letters(text)


def test_texts_without_a_letter_are_alike_only_when_equal() -> None:
    found = near_groups([row("", ""), row("？", "！"), row("", ""), row("…", "")])
    assert found.labels.tolist() == [0, 1, 0, 3]


def test_nothing_at_all() -> None:
    found = near_groups([])
    assert (list(found), found.labels.shape, found.exact_duplicates, found.near_duplicates) == ([], (0,), 0, 0)


def test_a_single_row_is_alone() -> None:
    assert near_groups([row("问", "答")]).labels.tolist() == [0]


def test_a_chain_of_small_changes_is_one_cluster() -> None:
    chance = seeded(2)
    text, rows = zh(chance, 300), []
    for _ in range(400):
        text = changed(chance, text, 2)
        rows.append(row("问", text))
    assert list(near_groups(rows)) == [list(range(400))]


def same_beginning(count: int, common: int, own: int) -> list[Row]:
    chance = seeded(3)
    text = zh(chance, common)
    return [row(text, "".join(chr(chance.randint(0x4E00, 0x9000)) for _ in range(own))) for _ in range(count)]


def test_rows_with_one_beginning_are_not_near() -> None:
    found = near_groups(same_beginning(300, 200, 100))
    assert list(found) == []
    assert not found.sampled


def test_past_its_budget_it_stops_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MAX_VERIFIED", 1000)
    assert near_groups(same_beginning(300, 200, 100)).sampled


def test_a_pair_in_a_crowded_bucket_is_found() -> None:
    """The bucket's first rows are strangers; the two are far from each other in it."""
    chance = seeded(4)
    rows = same_beginning(400, 200, 90)
    rows[120] = row(rows[120][1]["content"], zh(chance, 90))
    rows[300] = row(rows[120][1]["content"], changed(chance, rows[120][2]["content"], 1))
    assert list(near_groups(rows)) == [[120, 300]]


def test_many_equal_rows_are_kept_once() -> None:
    found = near_groups(row("你好", "再见") for _ in range(20_000))
    assert (found.exact_duplicates, found.compared, found.sampled) == (19_999, 1, False)


def test_of_a_very_long_row_the_beginning_is_compared() -> None:
    chance = seeded(5)
    text = zh(chance, 5000) * (near.MAX_ROW_CHARACTERS // 5000 + 1)
    found = near_groups([row("问", text + "甲" * 500_000), row("问", text + "乙" * 500_000), row("问", "答")])
    assert list(found) == [[0, 1]]


def taken(rows: Sequence[Row], **options: Any) -> NearGroups:
    found = Near(**options)
    for messages in rows:
        found.add(messages)
    return found.groups()


@pytest.mark.parametrize("limit", [{"max_rows": 700}, {"max_characters": 60_000}])
def test_past_the_limit_a_sample_is_compared(limit: dict[str, int]) -> None:
    rows = drawn(7, 1500)
    whole, part = near_groups(rows), taken(rows, seed=1, **limit)
    assert part.sampled
    assert 50 < part.compared < 701
    assert part.exact_duplicates == whole.exact_duplicates
    assert 0 < part.near_duplicates < whole.near_duplicates
    # What a sample joins, the whole does too.
    assert (whole.labels[part.labels] == whole.labels).all()
    again, other = taken(rows, seed=1, **limit), taken(rows, seed=2, **limit)
    assert (again.labels == part.labels).all()
    assert (other.labels != part.labels).any()


def test_without_a_sample_only_equal_rows_are_joined_past_the_limit() -> None:
    rows = drawn(8, 1500)
    found = taken(rows, sample=False, max_rows=300)
    assert found.sampled
    assert found.near_duplicates == found.compared == 0
    first: dict[str, int] = {}
    assert found.labels.tolist() == [first.setdefault(str(messages), number) for number, messages in enumerate(rows)]


def test_labels_are_plain_numbers() -> None:
    found = near_groups([row("问", "答")] * 3)
    assert found.labels.dtype == np.int64
    assert all(type(number) is int for group in found for number in group)


def test_the_method_can_be_stated() -> None:
    assert (METHOD.name, METHOD.shingle, METHOD.threshold) == ("minhash", 5, 0.8)
    assert METHOD.permutations % METHOD.bands == 0
