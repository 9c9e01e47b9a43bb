"""Measures of files whose figures can be counted by hand."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.datasets.formats.format import Message
from finetune.datasets.lengths import ESTIMATE_HIGH, ESTIMATE_LOW, SAMPLE, SAMPLE_OFF, Lengths, RowTokens
from finetune.datasets.measures import BUCKETS, LIMITS, LongAnswer, Measures, Over, measure
from finetune.datasets.near import METHOD
from finetune.datasets.personal import PersonalCount
from finetune.datasets.report import TokenCount
from finetune.datasets.tokens import TokenCounter
from tests.finetune.datasets.samples import chat, good, line, text
from tests.finetune.datasets.words import en, seeded, word_tokenizer, zh


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return word_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    return tmp_path / "canonical.jsonl"


def survives(measures: Measures) -> Measures:
    assert Measures.from_json(json.loads(json.dumps(measures.as_json()))) == measures
    return measures


def words(count: int) -> str:
    return " ".join(["word"] * count)


def test_tokens_and_limits_are_counted(canonical: Path, tokenizer: Path) -> None:
    lengths = [3, 512, 513, 600, 1030, 5000]
    rows = [chat("why", words(length - 3), system="be brief") for length in lengths]
    canonical.write_bytes(text(*map(line, rows)))
    found = survives(measure(canonical, tokenizer))
    assert found.tokens == TokenCount(sum(lengths), "tokenizer", exact=True)
    assert found.tokens_low == found.tokens_high == sum(lengths)
    assert (found.longest_tokens, found.longest_row) == (5000, 5)
    assert found.over == (
        Over(512, 4, 1 + 88 + 518 + 4488, 4488, exact=True),
        Over(1024, 2, 6 + 3976, 3976, exact=True),
        Over(2048, 1, 2952, 2952, exact=True),
        Over(4096, 1, 904, 904, exact=True),
    )
    assert found.lengths.quantiles == {"5": 3, "25": 512, "50": 513, "75": 1030, "90": 5000, "95": 5000, "99": 5000}
    assert found.longest_answers[:2] == (LongAnswer(5, 2, 4997 * 5 - 1, 4997), LongAnswer(4, 2, 1027 * 5 - 1, 1027))
    assert not found.sampled


def test_the_templates_markers_count_for_rows_and_not_for_contents(canonical: Path, tokenizer: Path) -> None:
    canonical.write_bytes(text(line(chat("why", words(509), system="brief")), line(chat("a", "b", system=None))))
    found = survives(measure(canonical, tokenizer, markers=5))
    assert found.tokens.count == 511 + 2
    assert found.longest_tokens == 511 + 3 * 5
    assert found.over[0] == Over(512, 1, 14, 14, exact=True)
    assert found.lengths.quantiles["5"] == 2 + 2 * 5


def test_the_distribution_has_every_row(canonical: Path, tokenizer: Path) -> None:
    chance = seeded(1)
    lengths = [chance.randint(2, 400) for _ in range(500)] + [9000]
    canonical.write_bytes(text(*(line(chat("why", words(length - 1), system=None)) for length in lengths)))
    found = measure(canonical, tokenizer).lengths
    assert len(found.edges) == len(found.counts) == BUCKETS
    assert found.edges[0] == min(lengths)
    ends = [*found.edges[1:], 1 << 40]
    assert list(found.counts) == [
        sum(begin <= length < end for length in lengths) for begin, end in zip(found.edges, ends, strict=True)
    ]
    # One row that is far longer does not flatten the others.
    assert sum(count > 0 for count in found.counts) == BUCKETS
    assert found.quantiles["50"] == sorted(lengths)[250]


def test_rows_of_one_length(canonical: Path, tokenizer: Path) -> None:
    canonical.write_bytes(text(*[line(chat("a", "b", system=None))] * 3))
    found = survives(measure(canonical, tokenizer))
    assert found.lengths.counts == (3, *[0] * (BUCKETS - 1))
    assert set(found.lengths.quantiles.values()) == {2}
    assert found.duplicates.exact == 2


def test_without_a_tokenizer_the_estimate_says_what_it_is(canonical: Path) -> None:
    canonical.write_bytes(text(*good(50)))
    found = survives(measure(canonical))
    assert (found.tokens.method, found.tokens.exact) == ("estimate", False)
    assert 0 < found.tokens_low < found.tokens.count < found.tokens_high
    assert found.tokens_low == round(found.tokens.count * ESTIMATE_LOW)
    assert found.tokens_high == round(found.tokens.count * ESTIMATE_HIGH)
    assert [over.limit for over in found.over] == list(LIMITS)
    assert not any(over.exact for over in found.over)
    assert found.longest_answers[0].tokens > 0


def test_duplicates_and_personal_data_are_told_by_row(canonical: Path) -> None:
    chance = seeded(2)
    answers = [zh(chance, 200) for _ in range(3)]
    rows = [chat("问", answers[0]), chat("问", answers[1]), chat("问", answers[0]), chat("问", answers[1] + "乙")]
    rows += [chat("我的电话13812345678", answers[2]), chat("问", "写信到 me@qq.com 或 you@qq.com")]
    canonical.write_bytes(text(*map(line, rows)))
    found = survives(measure(canonical))
    duplicates = found.duplicates
    assert (duplicates.near, duplicates.exact, duplicates.clusters) == (1, 1, 1)
    assert duplicates.first == ((2, 0), (3, 1))
    assert (duplicates.compared, duplicates.sampled) == (5, False)
    assert (duplicates.method, duplicates.threshold) == (METHOD.name, METHOD.threshold)
    assert found.personal == {"phone": PersonalCount(1, 1, (4,)), "email": PersonalCount(2, 1, (5,))}
    kept = json.dumps(found.as_json())
    assert "13812345678" not in kept
    assert "me@qq" not in kept


def test_the_longest_answers_come_first_and_the_earlier_of_two(canonical: Path, tokenizer: Path) -> None:
    rows = [chat("why", words(9), "and", words(30)), chat(words(90), words(2)), *[chat("q", words(30))] * 9]
    canonical.write_bytes(text(*map(line, rows)))
    found = measure(canonical, tokenizer)
    places = [(answer.row, answer.message, answer.tokens) for answer in found.longest_answers]
    assert places == [(0, 4, 30), (2, 2, 30), (3, 2, 30), (4, 2, 30), (5, 2, 30)]


@pytest.mark.parametrize("content", [b"", b"{}\n", b"oops\n"])
def test_what_is_not_canonical(canonical: Path, content: bytes) -> None:
    canonical.write_bytes(content)
    with pytest.raises((ValueError, KeyError)):
        measure(canonical)


def rows_of(seed: int, count: int) -> list[list[Message]]:
    chance = seeded(seed)
    found = []
    for _ in range(count):
        answer = en(chance, chance.randint(1, 60)) if chance.random() < 0.5 else zh(chance, chance.randint(5, 300))
        found.append(chat("why", answer)["messages"])
    return found


def lengths_of(rows: list[list[Message]], tokenizer: Path | None, exact_bytes: int = 1 << 60) -> RowTokens:
    lengths = Lengths(tokenizer, exact_bytes=exact_bytes)
    for messages in rows:
        lengths.add(messages, len(line({"messages": messages})))
    return lengths.result()


@given(seed=st.integers(0, 1 << 20), count=st.integers(1, 40))
@settings(max_examples=25)
def test_rows_add_up_to_what_the_counter_says(tokenizer: Path, seed: int, count: int) -> None:
    rows = rows_of(seed, count)
    counter = TokenCounter(tokenizer)
    for messages in rows:
        counter.add(messages, 100, sum(len(message["content"]) for message in messages))
    found = lengths_of(rows, tokenizer)
    assert (found.total, int(found.rows.max())) == counter.result()
    assert int(found.rows.sum()) == found.total.count
    assert found.exact


def test_past_the_limit_rows_are_estimated_from_those_that_were_counted(tokenizer: Path) -> None:
    rows = rows_of(3, 4000)
    rows[1000] = chat("why", words(3000))["messages"]
    truth, found = lengths_of(rows, tokenizer), lengths_of(rows, tokenizer, exact_bytes=60_000)
    assert found.total.method == "tokenizer, sample"
    assert not found.total.exact
    assert not found.exact
    assert found.low == round(found.total.count * (1 - SAMPLE_OFF))
    assert abs(found.total.count - truth.total.count) < 0.05 * truth.total.count
    # The first ones, one in sixteen of the others, and the longest.
    counted = int((found.rows == truth.rows).sum())
    assert counted > 4000 / SAMPLE
    assert found.rows[:100].tolist() == truth.rows[:100].tolist()
    assert (found.rows[1000], int(found.rows.argmax())) == (3004, 1000) or found.rows[1000] == truth.rows[1000]


def test_the_estimate_is_right_in_all_where_letters_say_little(tokenizer: Path) -> None:
    chance = seeded(4)
    rows: list[list[Message]] = [
        chat("why", "x" * chance.randint(1, 100), system=None)["messages"] for _ in range(4000)
    ]
    found = lengths_of(rows, tokenizer, exact_bytes=60_000)
    assert abs(found.total.count - 8000) < 400


def test_a_sampled_file_says_so(canonical: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lengths.__init__, "__kwdefaults__", {"markers": 0, "exact_bytes": 1000})
    canonical.write_bytes(text(*good(200)))
    found = survives(measure(canonical, tokenizer))
    assert found.sampled
    assert not found.over[0].exact
    assert found.tokens_low < found.tokens.count < found.tokens_high


def test_rows_without_a_word(canonical: Path, tokenizer: Path) -> None:
    canonical.write_bytes(text(*[line(chat("", "", system=None))] * 40))
    for given_one in (tokenizer, None):
        found = survives(measure(canonical, given_one))
        assert (found.tokens.count, found.longest_tokens, found.lengths.counts[0]) == (0, 0, 40)
    assert lengths_of([chat("", "", system=None)["messages"]] * 40, tokenizer, exact_bytes=10).total.count == 0
