"""Long answers as pages that stand by themselves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.pages import balanced, cut, open_fence, units


def pages(text: str, limit: int) -> list[str]:
    found = []
    while (full := cut(text, limit)) is not None:
        found.append(full.page)
        text = full.rest
    return [*found, text]


def test_a_short_text_is_one_page() -> None:
    assert cut("hello", 100) is None


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


def test_a_code_fence_is_closed_and_opened_again_with_its_language() -> None:
    text = "```python\n" + "print(1)\n" * 30 + "```\nend"
    found = pages(text, 120)
    assert len(found) > 1
    for page in found:
        assert open_fence(page) is None
        assert page.startswith("```python\n")
    assert found[-1].endswith("end")


def test_an_open_fence_is_closed_for_showing() -> None:
    assert balanced("```js\nlet a") == "```js\nlet a\n```"
    assert balanced("plain") == "plain"


def test_an_emoji_family_is_not_torn_apart() -> None:
    family = "👨‍👩‍👧‍👦"
    for page in pages(family * 30, 100):
        assert page.replace(family, "") == ""


@settings(max_examples=300)
@given(st.text(alphabet="ab 。.\n龙👍🏽‍é", min_size=1, max_size=400), st.integers(40, 120))
def test_nothing_but_white_space_at_the_cuts_is_lost(text: str, limit: int) -> None:
    found = pages(text, limit)
    assert "".join("".join(found).split()) == "".join(text.split())
    for page in found:
        assert units(page) <= limit
        page.encode("utf-16")


@given(st.text(alphabet="ab \n", min_size=200, max_size=400), st.text(alphabet="cd \n", max_size=200))
def test_a_full_page_does_not_change_when_the_text_grows(text: str, more: str) -> None:
    first = cut(text, 100)
    again = cut(text + more, 100)
    if first is not None and again is not None and units(text) > 2 * 100:
        assert first.page == again.page
