"""Figures of the good rows, and tokens by a real tokenizer."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from finetune.datasets.findings import KINDS, shown
from finetune.datasets.fingerprints import Fingerprints
from finetune.datasets.languages import languages_of
from finetune.datasets.report import Report
from finetune.datasets.samples import SampledFingerprints, sample_of, samples_of
from finetune.datasets.statistics import Statistics, language_of
from finetune.datasets.tokens import TokenCounter
from tests.finetune.datasets.samples import chat, good, line, text

Judge = Callable[..., Report]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """One token a word."""
    made = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_figures_are_those_of_the_good_rows(judged: Judge) -> None:
    rows = [chat("one two", "three"), chat("a", "b c", "d", "e f g"), chat("x", "y", system=None)]
    report = judged(text(*map(line, rows), b"oops"))
    assert (report.rows, report.good_rows, report.turns) == (4, 3, 4)
    contents = [[message["content"] for message in row["messages"]] for row in rows]
    assert report.characters == sum(len(content) for row in contents for content in row)
    assert report.system_prompts == (("你是算命先生。", 2), ("", 1))
    assert sum(report.length_histogram) == 3
    assert report.languages == {"en": 1.0}


def test_a_report_of_an_earlier_version_is_read(judged: Judge) -> None:
    report = judged(text(*good(), b"oops", b"oops"))
    stored = {**report.as_json(), "tokens": {"count": 3, "method": "tokenizer", "exact": True}, "longest_tokens": 3}
    del stored["by_code"]
    assert Report.from_json(stored) == report


def test_past_the_limit_tokens_are_sampled_and_close(tokenizer: Path) -> None:
    counter = TokenCounter(tokenizer, exact_bytes=2000)
    expected = 0
    for number in range(5000):
        words = "word " * (number % 7 + 1)
        messages = [{"role": "user", "content": words}, {"role": "assistant", "content": "yes"}]
        counter.add(messages, 60, len(words) + 3)
        expected += number % 7 + 2
    long = "w " * 900
    counter.add([{"role": "user", "content": long}, {"role": "assistant", "content": "yes"}], 1800, len(long) + 3)
    expected += 901
    count, longest = counter.result()
    assert not count.exact
    assert abs(count.count - expected) < expected * 0.05
    assert longest == 901


def test_a_very_long_text_is_counted_in_pieces(tokenizer: Path) -> None:
    counter = TokenCounter(tokenizer)
    long = "word " * 400_000
    counter.add(chat("yes yes", long, system="be brief")["messages"], 2_000_000, len(long) + 15)
    counter.add(chat("yes", "no", system="be brief")["messages"], 60, 13)
    count, longest = counter.result()
    assert not count.exact
    assert 400_006 <= count.count <= 400_020
    assert longest == count.count - 4


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("出门见喜。", "zh"),
        ("用 Python 写一个 hello world 程序，谢谢。", "zh"),
        ("Good luck walks beside you.", "en"),
        ("The word 福 means luck, and so does the café.", "en"),
        ("こんにちは、元気ですか。", "other"),
        ("Добрый день", "other"),
        ("안녕하세요", "other"),
        ("12345", "other"),
    ],
)
def test_language_by_script(words: str, language: str) -> None:
    assert language_of(words) == language


def test_rows_are_counted_together_as_they_are_one_by_one() -> None:
    answers = [
        "出门见喜。" if number % 16 in (0, 5) else "Good luck." if number % 3 else "12345" for number in range(3000)
    ]
    prompts = [f"prompt {number % 7 % 4}" for number in range(3000)]
    alone, together = Statistics(), Statistics()
    for answer, prompt in zip(answers, prompts, strict=True):
        alone.add(chat("?", answer, system=prompt)["messages"])
    begin = 0
    for count in (1, 15, 1000, 7, 2, 90, 1, 1, 3000):
        rows = range(begin, min(begin + count, 3000))
        sampled = together.add_rows(len(rows), Counter(prompts[number] for number in rows).items())
        together.add_languages([language_of(answers[begin + number]) for number in sampled])
        begin += count
    assert together.rows == alone.rows
    assert list(together.languages.items()) == list(alone.languages.items())
    assert together.system_prompts == alone.system_prompts


def test_the_histogram_counts_by_powers_of_two() -> None:
    statistics = Statistics()
    for length in (1, 2, 3, 4, 1 << 20):
        statistics.add(chat("x" * (length - 1), "y", system=None)["messages"])
    assert statistics.histogram[:4] == [1, 2, 1, 0]
    assert statistics.histogram[15] == 1


def test_many_prompts_are_counted_in_bounded_memory() -> None:
    statistics = Statistics()
    for number in range(3000):
        statistics.add(chat("a", "b", system=f"{number}" * 3000)["messages"])
        statistics.add(chat("a", "b", system="usual")["messages"])
    assert statistics.system_prompts[0] == ("usual", 3000)
    assert statistics.prompt_variety < 1000


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rows are many, and so is what is done with them."""
    monkeypatch.setattr("finetune.datasets.fingerprints._FEW", 10)
    monkeypatch.setattr("finetune.datasets.fingerprints.PART", 7)
    monkeypatch.setattr("finetune.datasets.samples.PART", 7)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("shard", [10, 60, 1000])
def test_duplicates_among_many_rows(monkeypatch: pytest.MonkeyPatch, shard: int) -> None:
    monkeypatch.setattr("finetune.datasets.repeated.SHARD", shard)
    prints = Fingerprints()
    for place in range(100):
        prints.add(b"%d" % (place % 60), place)
    assert list(prints.duplicates()) == [(place, place - 60) for place in range(60, 100)]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("shard", [10, 60, 1000])
def test_rows_of_one_sample_are_looked_at_as_a_whole(monkeypatch: pytest.MonkeyPatch, shard: int) -> None:
    monkeypatch.setattr("finetune.datasets.repeated.SHARD", shard)
    # Nobody looks at the beginning of a row, so that those of one hundred are all alike.
    rows = [b"%02d" % (place % 60) + b"%0200d" % (place // 100) for place in range(130)]
    assert len(set(map(sample_of, rows))) == 2
    asked: list[int] = []

    def hashes(places: NDArray[np.int64]) -> NDArray[np.int64]:
        asked.extend(places.tolist())
        return np.array([hash(rows[place]) for place in places.tolist()], np.int64)

    prints = SampledFingerprints(hashes)
    for block in range(0, 130, 50):
        places = range(130)[block : block + 50]
        for place in places[::3]:
            prints.add(rows[place], place)
        others = np.array([place for place in places if place not in places[::3]], np.int64)
        prints.extend(samples_of(b"".join(rows), others * 202, others * 202 + 202), others)
    # The last thirty are equal to nothing before them, and are no sixty.
    assert list(prints.duplicates()) == [(place, place - 60) for place in range(60, 100)]
    assert asked == list(range(130))


@given(st.lists(st.binary(min_size=8, max_size=99), max_size=8))
def test_samples_of_a_block_are_those_of_its_rows(rows: list[bytes]) -> None:
    ends = np.cumsum([len(row) for row in rows], dtype=np.intp)
    begins = ends - np.array([len(row) for row in rows], np.intp)
    assert samples_of(b"".join(rows), begins, ends).tolist() == list(map(sample_of, rows))


@pytest.mark.usefixtures("many")
def test_many_rows_without_duplicates() -> None:
    prints = Fingerprints()
    for place in range(100):
        prints.add(b"%d" % place, place)
    assert not list(prints.duplicates())


@given(texts=st.lists(st.text(st.sampled_from("ab Ω中㐀豈𠀀かガ한é1.，"), min_size=1, max_size=300), max_size=8))
def test_languages_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    assert languages_of(texts) == [language_of(text) for text in texts]


def test_what_is_shown_is_short_and_prints() -> None:
    piece = shown("a\x00b\u202ec\ud800" + "长" * 100)
    assert len(piece) == 60
    assert piece.startswith("a�b�c�")
    assert piece.endswith("…")


def test_a_report_survives_json(judged: Judge) -> None:
    report = judged(text(*good(3), b"x"))
    data = json.loads(json.dumps(report.as_json()))
    assert Report.from_json(data) == report
    assert data["findings"][0]["severity"] == KINDS[data["findings"][0]["code"]].severity
