"""Advice on a judged file: which there is, and the numbers in it."""

from dataclasses import replace

import pytest

from bot.locales import LANGUAGES, translator
from finetune.advice import Advice, advise
from finetune.datasets import Measures, Report, TokenCount
from finetune.datasets.measures import Distribution, NearDuplicates

REPORT = Report(
    format="messages",
    container="jsonl",
    encoding="utf-8",
    rows=1000,
    good_rows=1000,
    turns=1000,
    characters=100_000,
    exact_duplicates=0,
    system_prompts=(("", 1000),),
    languages={"en": 1.0},
    length_histogram=(),
    findings=(),
    findings_total=0,
    by_rule={},
    by_code={},
    notes=(),
)
MEASURES = Measures(
    rows=1000,
    markers=0,
    tokens=TokenCount(30_000, "tokenizer", exact=True),
    tokens_low=30_000,
    tokens_high=30_000,
    lengths=Distribution((0,), (1000,), {"50": 30}),
    over=(),
    longest_tokens=500,
    longest_row=3,
    longest_answers=(),
    duplicates=NearDuplicates(0, 0, 0, (), 1000, False, "minhash", 0.8),
    personal={},
)


def by_code(found: tuple[Advice, ...]) -> dict[str, dict[str, int]]:
    return {piece.code: dict(piece.fields) for piece in found}


def test_few_rows_follows_the_rule_even_when_its_finding_was_cut_off() -> None:
    assert "few_rows" not in by_code(advise(REPORT))
    few = replace(REPORT, rows=7, good_rows=7, by_rule={"W9": 1})
    assert by_code(advise(few))["few_rows"] == {"rows": 7}


@pytest.mark.parametrize(("rows", "steps"), [(1, 3), (48, 18), (49, None)])
def test_few_steps_are_those_of_the_standard_preset(rows: int, steps: int | None) -> None:
    found = by_code(advise(replace(REPORT, rows=rows, good_rows=rows))).get("few_steps")
    assert (found and found["steps"]) == steps
    if found:
        assert found == {"steps": steps, "enough": 20, "rows": rows, "batch": 8, "epochs": 3}


def test_quality_trains_less_only_when_it_does() -> None:
    found = by_code(advise(REPORT))["quality_trains_less"]
    assert found == {"rows": 1000, "quality": 315, "quality_batch": 16, "standard": 375, "standard_batch": 8}
    # One batch an epoch in both: five epochs are more than three.
    assert "quality_trains_less" not in by_code(advise(replace(REPORT, rows=8, good_rows=8)))


def test_a_base_that_recommends_its_own_batch_changes_the_steps() -> None:
    assert advise(REPORT, recommended={"batch_size": 4, "learning_rate": 2e-3}) == ()
    found = by_code(advise(replace(REPORT, good_rows=4), recommended={"batch_size": 4}))
    assert (found["few_steps"]["steps"], found["few_steps"]["batch"]) == (3, 4)


@pytest.mark.parametrize(("limit", "over"), [(None, None), (499, 1), (500, None), (501, None)])
def test_over_max_tokens_says_by_how_much(limit: int | None, over: int | None) -> None:
    found = by_code(advise(REPORT, MEASURES, max_tokens=limit)).get("over_max_tokens")
    assert found == (None if over is None else {"longest": 500, "over": over, "limit": limit})


def test_nothing_is_said_of_what_was_not_counted() -> None:
    assert "over_max_tokens" not in by_code(advise(REPORT, max_tokens=1))
    assert advise(replace(REPORT, good_rows=0), max_tokens=1) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_advice_has_its_sentence_with_its_numbers(language: str) -> None:
    t = translator(language)
    few = replace(REPORT, rows=9, good_rows=9, by_rule={"W9": 1})
    found = advise(few, MEASURES, max_tokens=77)
    assert [piece.code for piece in found] == ["few_rows", "few_steps", "quality_trains_less", "over_max_tokens"]
    for piece in found:
        sentence = t(f"advice.{piece.code}", **piece.fields)
        assert all(t.number(number) in sentence for number in piece.fields.values()), sentence
