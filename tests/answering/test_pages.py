"""Long answers as pages that stand by themselves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.outline import outline
from bot.answering.pages import Cut, Outdent, cut, units
from bot.platforms.telegram.markdown import measure


def taken(text: str, limit: int) -> Cut | None:
    return cut(text, limit, lambda page: units(page) <= limit)


def pages(text: str, limit: int) -> list[str]:
    found = []
    while (full := taken(text, limit)) is not None:
        assert len(full.rest) < len(text) + 200
        found.append(full.page)
        text = full.rest
    return [*found, text]


def on_telegram(text: str, limit: int = 4000, marks: int = 100) -> list[str]:
    def fits(page: str) -> bool:
        extent = measure(page)
        return extent.units <= limit and extent.marks < marks

    found = []
    while (full := cut(text, limit, fits)) is not None:
        found.append(full.page)
        text = full.rest
    return [*found, text]


def test_a_short_text_is_one_page() -> None:
    assert taken("hello", 100) is None


def test_it_is_cut_at_a_paragraph_first() -> None:
    text = "a" * 60 + "\n\n" + "b" * 30 + "\n" + "c" * 40
    assert pages(text, 100)[0] == "a" * 60


def test_then_at_a_line() -> None:
    assert pages("a" * 60 + "\n" + "b" * 60, 100) == ["a" * 60, "b" * 60]


def test_then_at_a_sentence_in_either_language() -> None:
    assert pages("字" * 60 + "。" + "句" * 60, 100)[0] == "字" * 60 + "。"
    assert pages("w" * 60 + ". " + "v" * 60, 100)[0] == "w" * 60 + "."


def test_then_at_a_word() -> None:
    assert pages("x" * 70 + " " + "y" * 60, 100) == ["x" * 70, "y" * 60]


def test_items_stay_whole() -> None:
    text = "".join(f"- item {n} with some words. And a second sentence of it.\n" for n in range(10))
    for page in pages(text, 200):
        assert all(line.startswith("- item") and line.endswith("of it.") for line in page.split("\n") if line)


def test_a_code_fence_is_closed_and_opened_again_with_its_language() -> None:
    text = "```python\n" + "print(1)\n" * 30 + "```\nend"
    found = pages(text, 120)
    assert len(found) > 1
    for page in found:
        fence = outline(page).fences[0]
        assert (fence.info, fence.closed) == ("python", True)
    assert found[-1].endswith("end")
    assert "".join(found).count("print(1)") == 30


def test_a_fence_within_an_item_goes_on_as_code() -> None:
    text = "1. first\n   ```js\n" + "   let a = 1;\n" * 30 + "   ```\n2. second\n"
    found = pages(text, 200)
    for page in found[1:]:
        assert page.startswith("   ```js\n")
    assert found[-1].rstrip().endswith("2. second")


def test_a_table_goes_on_under_its_head() -> None:
    text = "| name | value |\n|---|---|\n" + "".join(f"| row {n} | {n * n} |\n" for n in range(40)) + "\nThat is all."
    found = pages(text, 300)
    assert len(found) > 2
    for page in found:
        assert page.startswith("| name | value |\n|---|---|\n| row")
    assert "".join(found).count("| row") == 40


@pytest.mark.parametrize(
    "whole",
    ["[the long label](https://example.org/a(b)/c?d=e)", "**strong words**", "`some = code`", "~~gone for good~~"],
)
def test_what_is_marked_is_not_torn_apart(whole: str) -> None:
    for lead in range(60, 100):
        for page in pages("X" * lead + " " + f"{whole} " * 8, 120):
            assert page.replace(whole, "").replace("X", "").strip() == ""


def test_a_link_longer_than_a_page_is_cut_all_the_same() -> None:
    text = f"[label](https://example.org/{'a' * 500})"
    assert "".join(pages(text, 100)) == text


@pytest.mark.parametrize("one", ["👨‍👩‍👧‍👦", "🇨🇳", "👍🏽", "é", "क्षि", "각"])
def test_what_people_see_as_one_character_stays_one(one: str) -> None:
    for page in pages(one * 60, 100):
        assert page.replace(one, "") == ""


def test_no_page_has_more_marks_than_are_shown() -> None:
    text = "".join(f"**word {n}** and `code {n}`\n" for n in range(150))
    found = on_telegram(text)
    assert len(found) >= 4
    assert "".join(found).count("**word") == 150


def test_what_grows_when_it_is_formatted_is_measured_formatted() -> None:
    text = "| a | b |\n|---|---|\n" + f"| {'wide ' * 20} | x |\n" + "| 1 | 2 |\n" * 120
    for page in on_telegram(text):
        assert measure(page).units <= 4000


def test_right_to_left_text_and_angle_brackets_are_text_like_any_other() -> None:
    text = "שלום <int> עולם. " * 30
    assert "".join(" ".join(pages(text, 100)).split()) == "".join(text.split())


@settings(max_examples=300)
@given(st.text(alphabet="ab 。.\n龙👍🏽‍é", min_size=1, max_size=400), st.integers(40, 120))
def test_nothing_but_white_space_at_the_cuts_is_lost(text: str, limit: int) -> None:
    found = pages(text, limit)
    assert "".join("".join(found).split()) == "".join(text.split())
    for page in found:
        assert units(page) <= limit
        page.encode("utf-16")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["word ", "**bold** ", "`code` ", "[l](http://e.org) ", "\n", "\n\n", "- item\n", "```py\nx = 1\n```\n",
             "| a | b |\n|---|---|\n| 1 | 2 |\n", "> quote\n", "世界。", "# head\n", "*it* ", "```\nopen\n", "<int> "]
        ),
        max_size=120,
    ).map("".join),
    st.integers(60, 300),
)  # fmt: skip
def test_any_markdown_comes_to_an_end_in_pages_that_fit(text: str, limit: int) -> None:
    for page in pages(text, limit)[:-1]:
        assert units(page) <= limit
        assert page


def test_a_fence_within_a_quote_goes_on_as_a_quote() -> None:
    text = "> ```py\n" + "> x = 1\n" * 12 + "> ```\n\nAfter **bold** words.\n"
    first, second, third = pages(text, 70)
    assert first == "> ```py\n" + "> x = 1\n" * 7 + "> ```"
    assert second == "> ```py\n" + "> x = 1\n" * 5 + "> ```"
    assert third == "After **bold** words.\n"


@pytest.mark.parametrize("before", ["1. First:\n\n    ", "10. ", "1. S\n   - a:\n     "])
def test_a_fence_far_within_an_item_goes_on_as_code(before: str) -> None:
    column = len(before) - before.rfind("\n") - 1
    blanks = " " * column
    text = f"{before}```python\n" + f"{blanks}x = 1\n" * 12 + f"{blanks}```\n\n{blanks}And more.\n"
    first, *more = pages(text, 100)
    assert outline(first).fences[0].closed
    assert more[0].startswith("```python\nx = 1\nx = 1\n")
    assert "\n".join(more).count("```") == 2 * len([page for page in more if "x = 1" in page])
    # What follows in the item is a paragraph, not code for standing far in.
    assert more[-1].rstrip().endswith("\nAnd more.")
    assert not outline(more[-1]).indented


def test_items_of_an_item_stay_beside_each_other() -> None:
    text = "- A\n" + "".join(f"  - sub {number}\n" for number in range(9)) + "- B\n"
    first, second = pages(text, 60)
    assert first.endswith("\n  - sub 4")
    assert second == "- sub 5\n- sub 6\n- sub 7\n- sub 8\n- B\n"


@pytest.mark.parametrize("lead", ["   ", "> "])
def test_a_table_within_something_goes_on_under_its_head(lead: str) -> None:
    text = f"1. T:\n\n{lead}| a | b |\n{lead}|---|---|\n" + "".join(f"{lead}| {n} | v{n} |\n" for n in range(20))
    found = pages(text, 120)
    assert len(found) > 2
    for page in found[1:]:
        lines = page.rstrip().split("\n")
        assert lines[:2] == [f"{lead}| a | b |", f"{lead}|---|---|"]
        assert all(line.startswith(f"{lead}| ") for line in lines[2:])
    assert [line for page in found for line in page.split("\n") if "| v" in line] == [
        f"{lead}| {n} | v{n} |" for n in range(20)
    ]


def test_code_that_no_fence_marks_goes_on_as_code() -> None:
    text = "Text\n\n" + "    x = 1\n" * 20
    assert pages(text, 80)[1].startswith("    x = 1\n    x = 1")


def test_an_address_is_not_torn_apart() -> None:
    address = "https://example.com/search?q=abc&lang=en;page=2,3&more=yes"
    for size in range(40, 90):
        assert sum(address in page for page in pages("word " * (size // 5) + address + " end", 90)) == 1


def test_marked_words_are_kept_however_much_is_marked_in_them() -> None:
    marked = "**" + " ".join(f"`a{number}`" for number in range(20)) + "**"
    assert pages("word " * 12 + marked + " end", 150)[1].startswith(marked)


def test_one_character_longer_than_a_page_is_few_pages() -> None:
    assert len(pages("e" + "\u0301" * 150, 40)) <= 8


STREAMED = [
    "10. Write:\n\n    ```python\n" + "    def f():\n        return 1\n" * 30 + "    ```\n\nThat is **all**.\n",
    "- Top\n" + "".join(f"    - point {number}\n      and more of it\n" for number in range(60)) + "- End\n",
    "1. T:\n\n     | a | b |\n     |---|---|\n"
    + "".join(f"     | w{number} | v |\n" for number in range(60))
    + "\nEnd",
    "- A\n\n\t```\n" + "\tx = 1\n" * 80 + "\t```\n\n\tAnd on.\n",
]


@pytest.mark.parametrize("text", STREAMED)
@pytest.mark.parametrize("size", [1, 7, 250])
def test_what_comes_later_goes_on_as_what_came_before(text: str, size: int) -> None:
    """Whatever pieces a text comes in, its pages are those of the whole."""
    limit, found, rest = 300, [], ""
    outdents: list[Outdent] = []
    for at in range(0, len(text), size):
        piece = text[at : at + size]
        for outdent in outdents:
            piece = outdent.feed(piece)
        rest += piece
        while (full := taken(rest, limit)) is not None:
            found.append(full.page)
            rest = full.rest
            assert full.outdent is not None
            outdents.append(full.outdent)
    assert [page.rstrip() for page in [*found, rest]] == [page.rstrip() for page in pages(text, limit)]
