"""What cards and answers look like on Discord: nothing cut, nothing taken for markup, nobody mentioned by accident."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chat.content import Answer, AnswerState, Bar, Card, Chart, Fields, Items, Paragraph, Tone
from bot.platforms.discord.cards import embed_of
from bot.platforms.discord.markdown import MOST_CONTENT, escaped, fitted, measure, render_answer, units
from tests.fakes.discord import plain


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("#### Small", "**Small**"),
        ("### Third", "### Third"),
        ("---", "———"),
        ("- [ ] to do\n- [x] done", "- ☐ to do\n- ☑ done"),
        ("![a cat](https://a.b/c.png)", "[a cat](https://a.b/c.png)"),
        ("~~~python\nx = 1\n~~~", "```python\nx = 1\n```"),
        ("```\n#### not a heading\n| a | b |\n|---|---|\n```", "```\n#### not a heading\n| a | b |\n|---|---|\n```"),
        ("`#### code` <@123> `<@1>`", "`#### code` \\<@123> `<@1>`"),
        ("List<int> and x < y", "List<int> and x < y"),
    ],
)
def test_a_models_markdown_in_discords(source: str, shown: str) -> None:
    assert fitted(source) == shown


def test_a_table_stands_in_columns_whatever_the_script() -> None:
    table = "| 名字 | n |\n|---|--:|\n| 小明 | 1 |\n| Lan | 22 |\nafter"
    assert fitted(table) == "```\n名字  n\n────  ──\n小明  1\nLan   22\n```\nafter"


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_what_we_say_is_shown_as_it_stands(text: str) -> None:
    whole = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    if "```" not in whole:
        assert plain(escaped(whole)).replace("**", "") == whole.replace("**", "")


@given(st.text(alphabet="ab *_`~|#>-[]()<@1.\n算🏠", max_size=400), st.integers(0, 400))
@settings(max_examples=300)
def test_every_prefix_of_an_answer_is_shown(text: str, end: int) -> None:
    page = text[:end]
    shown = render_answer(Answer(page, AnswerState.STREAMING, "stopped"))
    assert units(shown) <= MOST_CONTENT
    assert shown.strip()
    assert measure(page).units >= units(page.strip())


def test_a_page_that_fitting_makes_too_long_is_shown_as_it_was_written() -> None:
    page = "| a | b |\n|---|---|\n" + "".join(f"| {'x' * (number % 40)} | {number} |\n" for number in range(60))
    assert measure(page).units > MOST_CONTENT
    shown = render_answer(Answer(page, AnswerState.DONE))
    assert shown.startswith("| a | b |")
    assert shown.endswith("| 59 |")


def test_a_note_gives_way_to_the_words() -> None:
    shown = render_answer(Answer("x" * 1990, AnswerState.DONE, "a long note about this answer"))
    assert shown.startswith("x" * 1990)
    assert units(shown) <= MOST_CONTENT


def test_a_thought_is_folded_away_above_the_words() -> None:
    shown = render_answer(Answer("Yes.", AnswerState.DONE, thought="Hm, || let me see"))
    assert shown == "-# ||Hm, \\|\\| let me see||\nYes."


def test_a_card_is_an_embed_in_the_colour_of_its_tone() -> None:
    card = Card(
        "Job_7",
        (
            Paragraph("a\nb", Tone.MUTED),
            Fields((("步数", "65"), ("Step:", "78"))),
            Items(("x",)),
            Bar(0.5, "half"),
            Chart(((0, 3.0), (1, 1.0)), "falls"),
        ),
        tone=Tone.ERROR,
    )
    embed, whole = embed_of(card)
    assert whole is None
    assert embed["title"] == "❌ Job\\_7"
    assert embed["color"] == 0xC23B32
    assert embed["description"] == "-# a\n-# b\n\n步数：65\nStep: 78\n\n• x\n\n████████░░░░░░░░ half\n\n█▁\nfalls"


@pytest.mark.parametrize("text", ["a" + "`" * 1900 + " b", "a" + " `" * 900, "#### a" + " " * 1800 + "b", "`a" * 900])
def test_a_line_is_fitted_in_no_time_whatever_it_is(text: str) -> None:
    # (It took minutes when it was tried from every place; nothing but the run's own time limit judges this.)
    assert fitted(text)


def test_code_spans_end_with_as_many_ticks() -> None:
    assert fitted("`<@1>` ``a ` <@1>`` <@1> `b") == "`<@1>` ``a ` <@1>`` \\<@1> `b"


def test_two_bars_hide_nothing_but_words_in_one_line() -> None:
    assert fitted("a || b ||c d|| e || f") == "a \\|\\| b ||c d|| e \\|\\| f"
    for spoiler in ("||the answer is `42`||", "||first\nsecond||", "||x | y||"):
        assert fitted(spoiler) == spoiler


def test_a_table_has_its_addresses_and_no_marks() -> None:
    assert "Docs (https://e.org)  1" in fitted("| [Docs](https://e.org) | **1** |\n|---|---|\n| a | b |")


@pytest.mark.parametrize(
    "table",
    [
        "1.  step\n\n    | a | b |\n    |---|---|\n    | <@1> | x |",
        "|a|b|\n|-|\n|<@1>|x|",
        "| Op | Meaning |\n|---|---|\n| <@1> | `a || b` |\n| x | y | extra |",
    ],
)
def test_whatever_looks_like_a_table_is_code_and_whole(table: str) -> None:
    found = fitted(table)
    assert "```" in found
    assert found.index("```") < found.index("<@1>") < found.rindex("```")
    assert all(word in found for word in ("x", "a", "b"))
    assert "extra" in found or "extra" not in table
