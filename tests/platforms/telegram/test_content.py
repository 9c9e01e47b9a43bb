"""What goes out, as text with entities. The stand-in checks every range."""

import random
import re

import pytest
from telegram import MessageEntity

from bot.chat.content import (
    Answer,
    AnswerState,
    Bar,
    Button,
    ButtonStyle,
    Card,
    Chart,
    Code,
    Fields,
    Items,
    Paragraph,
    Tone,
)
from bot.platforms.telegram.cards import fitting, render_card
from bot.platforms.telegram.keyboards import keyboard
from bot.platforms.telegram.markdown import measure, render_answer
from bot.platforms.telegram.outgoing import page_of
from bot.platforms.telegram.platform import TEXT_UNITS
from bot.platforms.telegram.styled import MOST_ENTITIES, MOST_UNITS, Styled
from tests.fakes.telegram.refusals import MOST_TEXT, checked_text, units


def pieces(page: Styled, kind: str) -> list[str]:
    raw = page.text.encode("utf-16-le")
    return [
        raw[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")
        for entity in page.entities
        if entity.type == kind
    ]


def accepted(page: Styled) -> None:
    """Sendable: within the limits, ranges right, nothing left for Telegram to trim."""
    shown, kept = checked_text(page.text, [entity.to_dict() for entity in page.entities], MOST_TEXT)
    assert shown == page.text
    assert len(kept) == len(page.entities)


def answer(text: str, note: str = "", state: AnswerState = AnswerState.DONE) -> Answer:
    return Answer(text, state, note)


def shown(text: str, note: str = "") -> Styled:
    page, plain = render_answer(answer(text, note))
    accepted(page)
    accepted(plain)
    return page


def test_a_card_with_everything() -> None:
    card = Card(
        title="🎉 Job <7>",
        blocks=(
            Paragraph("It is *running*\nsince noon"),
            Paragraph("quiet words", Tone.MUTED),
            Paragraph("nearly full", Tone.WARNING),
            Fields((("Step", "65 / 78"), ("损失", "1.25"), ("Base:", "SmolLM2"))),
            Items(("/ds_3", "a_b_c")),
            Code("/train 3 --epochs 2"),
            Bar(0.5, "50 %"),
            Bar(None, "unknown"),
            Chart(((0, 3.0), (1, 2.0), (2, 1.0)), "from 3 to 1"),
        ),
    )
    page = render_card(card)
    accepted(page)
    assert page.text == (
        "🎉 Job <7>\n\nIt is *running*\nsince noon\n\nquiet words\n\n⚠️ nearly full\n\n"
        "Step: 65 / 78\n损失：1.25\nBase: SmolLM2\n\n• /ds_3\n• a_b_c\n\n/train 3 --epochs 2\n\n"
        "████████░░░░░░░░ 50 %\n\n░░░░░░░░░░░░░░░░ unknown\n\n█▅▁\nfrom 3 to 1"
    )
    assert pieces(page, "bold") == ["🎉 Job <7>"]
    assert pieces(page, "italic") == ["quiet words"]
    assert pieces(page, "pre") == ["/train 3 --epochs 2"]


def test_a_chart_of_many_points_is_narrow_enough_for_a_phone() -> None:
    points = tuple((float(x), float(x % 7)) for x in range(200))
    line = render_card(Card(blocks=(Chart(points, ""),))).text
    assert 20 <= len(line) <= 30
    assert set(render_card(Card(blocks=(Chart(((0, 1.0), (1, 1.0)), ""),))).text) == {"▅"}
    assert render_card(Card(blocks=(Chart(((0, float("nan")),), "nothing yet"),))).text == "nothing yet"


def test_a_card_that_is_too_long_keeps_whole_lines_and_goes_along_as_a_file() -> None:
    lines = tuple(f"line {number} 🏠 {'x' * 50}" for number in range(120))
    card = Card("Findings", (Items(lines), Code("end")))
    page = page_of(card)
    accepted(page.text)
    assert page.text.text.endswith("x\n…")
    assert page.text.units <= MOST_UNITS
    assert page.attachments[-1].data.decode().endswith("end")
    assert fitting(Styled("short")) == Styled("short")


def test_markdown_becomes_entities() -> None:
    page = shown("# Heading\n**bold** and _soft_ `code`\n\n```py\nx = 1\n```\n\n- one\n- two\n\n[here](https://a.b/c)")
    assert page.text == "Heading\nbold and soft code\n\nx = 1\n\n• one\n• two\n\nhere"
    assert "bold" in pieces(page, "bold")
    assert pieces(page, "italic") == ["soft"]
    assert pieces(page, "code") == ["code"]
    assert [(entity.language, entity.type) for entity in page.entities if entity.type == "pre"] == [("py", "pre")]
    assert [entity.url for entity in page.entities if entity.type == "text_link"] == ["https://a.b/c"]


@pytest.mark.parametrize(
    "text",
    [
        "use `List<int>` and <div> and x<y>z",
        "<b>not bold</b>",
        "a < b & c > d",
        "<script>alert(1)</script>",
        "| a<b | c |\n|-----|---|\n| 1<2 | 3 |",
        "```\nif a<b: pass\n```",
    ],
)
def test_what_looks_like_html_is_kept(text: str) -> None:
    for word in ("List<int>", "<div>", "x<y>z", "<b>", "</b>", "a < b & c > d", "<script>", "a<b", "1<2"):
        assert (word in shown(text).text) == (word in text)


def test_an_answer_with_hundreds_of_marks_keeps_the_important_ones() -> None:
    page = shown("```py\nx\n```\n" + "**b** _i_ " * 150 + "[link](https://a.b)")
    assert len(page.entities) == MOST_ENTITIES
    assert {"pre", "text_link", "bold"} <= {entity.type for entity in page.entities}
    assert len(pieces(page, "bold")) == 98


def test_a_page_that_formatting_makes_too_long_is_shown_as_its_source() -> None:
    rows = "\n".join(f"| {'w' * 38 if number == 0 else 'x'} | y |" for number in range(110))
    text = f"| a | b |\n|---|---|\n{rows}"
    assert len(text) <= TEXT_UNITS
    page = shown(text, "a note")
    assert page.text == f"{text}\n\na note"
    assert pieces(page, "italic") == ["a note"]


def test_waiting_shows_that_something_comes() -> None:
    page, plain = render_answer(answer("", "loading the model", AnswerState.WAITING))
    assert page.text == plain.text == "… loading the model"
    assert pieces(page, "italic") == ["loading the model"]
    assert render_answer(answer("", "", AnswerState.WAITING))[0].text == "…"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "\u200b",
        "\u200b \u2060\ufe0f",
        "**",
        "![](http://x.y)",
        "<!-- -->",
        "\0",
        "[](http://a.b)",
        "&#8203;",
    ],
)
def test_whatever_the_model_says_can_be_sent(text: str) -> None:
    assert shown(text).text


def test_a_converter_that_fails_costs_the_formatting_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a mistake in the library")

    monkeypatch.setattr("bot.platforms.telegram.markdown.convert", fail)
    # What was formatted before is remembered; this was not.
    assert shown("**never seen**", "stopped").text == "**never seen**\n\nstopped"
    assert "could not be formatted" in caplog.text


def test_a_note_is_shortened_before_a_page_is() -> None:
    text = "算" * (MOST_UNITS - 10)
    page = shown(text, "n" * 100)
    assert page.text.startswith(text)
    assert page.units <= MOST_UNITS
    assert shown("算" * MOST_UNITS, "note").text == "算" * MOST_UNITS


def test_lone_surrogates_and_controls_do_not_break_a_page() -> None:
    page = shown("a\ud83d b\0c\r\nd")
    assert page.text == "a\ufffd bc\nd"


def thinking(text: str, thought: str, note: str = "", state: AnswerState = AnswerState.DONE) -> Styled:
    page, plain = render_answer(Answer(text, state, note, thought=thought))
    accepted(page)
    accepted(plain)
    assert thought[:20] not in plain.text
    return page


def test_a_thought_is_folded_away_before_the_answer() -> None:
    page = thinking("**Move** 🏠", "They ask 🤔 about *moving*.\nIs the house old?", "stopped")
    assert page.text == "They ask 🤔 about *moving*.\nIs the house old?\nMove 🏠\n\nstopped"
    assert pieces(page, "expandable_blockquote") == ["They ask 🤔 about *moving*.\nIs the house old?"]
    assert pieces(page, "bold") == ["Move"]
    assert pieces(page, "italic") == ["stopped"]


def test_a_thought_before_the_first_word() -> None:
    page = thinking("", "Hmm, let me see how old it is.", "thinking", AnswerState.WAITING)
    assert page.text == "Hmm, let me see how old it is.\n… thinking"
    assert pieces(page, "expandable_blockquote") == ["Hmm, let me see how old it is."]


@pytest.mark.parametrize("thought", [" ", "\u200b", "\0"])
def test_a_thought_of_nothing(thought: str) -> None:
    assert render_answer(Answer("Move", AnswerState.DONE, thought=thought))[0].text == "Move"


@pytest.mark.parametrize("length", [0, 1, 3000, 3999, 4000, 4050, 4060, 4090, 4096])
def test_the_answer_comes_first_where_room_is_short(length: int) -> None:
    page = thinking("算" * length, "🤔" * 3000, "note")
    assert page.units <= MOST_UNITS
    assert page.text.count("算") == length
    (quote,) = pieces(page, "expandable_blockquote") or [""]
    assert bool(quote) == (length <= 4040)
    if quote:
        assert quote.endswith("🤔…")
        assert page.units >= MOST_UNITS - 1


def test_a_message_that_has_all_its_marks_shows_no_thought() -> None:
    page = thinking("**b** _i_ " * 60, "a thought that nobody can fold away")
    assert len(page.entities) == MOST_ENTITIES
    assert "thought" not in page.text
    assert len(pieces(thinking("**b** " * 99, "a thought"), "expandable_blockquote")) == 1


def test_a_page_is_measured_without_its_thought() -> None:
    assert measure("**b**").units == 5


@pytest.mark.parametrize(
    "text",
    [
        "שלום עולם, **לעבור דירה**? כן.",
        "مرحبا **بالعالم** `x<int>`",
        "\u202eabc\u202c **def**",
        "👨‍👩‍👧‍👦 **👩🏽‍🚀 flies** 🏳️‍🌈 ❤️‍🔥",
        "算命先生说：**要搬家**，`向东` 三百里。",
        "List<int> and `map<k, v>` and <int>",
        "e\u0301 **n\u0303** ﷽",
    ],
)
def test_every_script_arrives_as_it_was_written(text: str) -> None:
    page = shown(text)
    assert page.text == text.replace("**", "").replace("`", "")
    for piece in re.findall(r"\*\*(.+?)\*\*", text):
        assert piece in pieces(page, "bold")
    for piece in re.findall(r"`(.+?)`", text):
        assert piece in pieces(page, "code")


FRAGMENTS = (
    "**", "_", "`", "```", "```py\n", "~~", "||", "# ", "> ", "- ", "1. ", "\n", "\n\n", "[a](", ")", "![", "<b>", "<",
    "| a | b |\n|---|---|\n", "$x^2$", "\\(a<b\\)", "🏠", "👨‍👩‍👧‍👦", "算命", "שלום", "e\u0301", "\u202e", "word ", " ",
    "*", "__", "https://a.b/c_d", "@name", "/job_12", "- [x] ", "&lt;", "&amp;", "\ue0fc",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(150))
def test_any_page_of_the_allowed_size_can_be_sent(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same pages every time
    text = "".join(dice.choice(FRAGMENTS) for _ in range(dice.choice((5, 60, 1500))))
    while len(units(text)) > TEXT_UNITS:
        text = text[:-1]
    thought = dice.choice(("", "short", "🤔 long " * 200, "`odd` **marks**\n> quote"))
    page, plain = render_answer(Answer(text, AnswerState.DONE, dice.choice(("", "stopped", "已停止")), thought=thought))
    accepted(page)
    accepted(plain)
    spans = [entity for entity in page.entities if entity.type in ("pre", "code")]
    for entity in page.entities:
        for span in spans:
            if entity is not span and entity.type not in ("blockquote", "expandable_blockquote"):
                apart = entity.offset >= span.offset + span.length or span.offset >= entity.offset + entity.length
                assert apart, (entity, span)


def test_a_quote_in_a_quote_is_one_quote() -> None:
    page = shown("> outer\n>\n> > inner\n\nafter")
    assert len(pieces(page, "blockquote")) == 1
    assert pieces(page, "blockquote")[0].startswith("outer")


def test_the_same_code_twice_is_not_lost() -> None:
    page = shown("`a`\n\n`a`")
    assert pieces(page, MessageEntity.CODE) == ["a", "a"]


def test_buttons() -> None:
    rows = (
        (
            Button("Start", token="t1", style=ButtonStyle.PRIMARY),
            Button("Cancel", token="t2", style=ButtonStyle.DANGER),
        ),
        (Button("Copy", copy="/train 3", style=ButtonStyle.PRIMARY),),
        tuple(Button(str(number), token=str(number)) for number in range(10)),
        (),
    )
    made = keyboard(rows)
    assert made is not None
    shape = made.to_dict()["inline_keyboard"]
    assert shape[0] == [
        {"text": "Start", "callback_data": "t1", "style": "primary"},
        {"text": "Cancel", "callback_data": "t2", "style": "danger"},
    ]
    assert shape[1] == [{"text": "Copy", "copy_text": {"text": "/train 3"}, "style": "primary"}]
    assert [len(row) for row in shape] == [2, 1, 8, 2]
    assert keyboard(()) is None
    assert keyboard(((),)) is None


def test_what_no_button_can_hold_is_shown_as_code() -> None:
    line = "/train " + "--flag value " * 30
    page = page_of(Card("Confirm", (Paragraph("Sure?"),), buttons=((Button("Copy", copy=line),),)))
    assert page.keyboard is None
    assert pieces(page.text, "pre") == [line.strip()]
    again = page_of(Card("Confirm", (Code(line.strip()),), buttons=((Button("Copy", copy=line.strip()),),)))
    assert len(pieces(again.text, "pre")) == 1


CODE = [
    '```bash\nPS1="\\[\\e[32m\\]\\u \\[\\e[0m\\]"\n```',
    '```python\nre.sub(r"\\(\\d+\\neq\\)", x) or a || b || c\n```',
    "```latex\n\\[ \\frac{a}{b} = \\alpha \\] $x^2$\n```",
    "> ```\n> \\(\\alpha\\)\n> ```",
]


@pytest.mark.parametrize("text", CODE)
def test_code_is_shown_as_it_was_written(text: str) -> None:
    inside = text.removeprefix("> ").split("\n")[1].removeprefix("> ")
    assert pieces(shown(f"See **this**:\n\n{text}\n\nand that."), MessageEntity.PRE) == [inside]
    assert pieces(shown("It is `\\(\\alpha + \\beta\\)`."), MessageEntity.CODE) == ["\\(\\alpha + \\beta\\)"]


def test_two_bars_hide_nothing_but_words_in_one_line() -> None:
    page = shown("In JS, a || b means or.\n\nA paragraph.\n\nUse c || d, or ||a secret||.")
    assert page.text == "In JS, a || b means or.\n\nA paragraph.\n\nUse c || d, or a secret."
    assert pieces(page, MessageEntity.SPOILER) == ["a secret"]


def test_a_line_that_names_a_link_is_shown() -> None:
    text = 'Sources [1]:\n\n[1]: https://e.org/a\n[2]: https://e.org/b "T"\n\n[Alice]: Hello!\n[Bob]: Hi.'
    assert shown(text).text == text


def test_prices_are_no_formulas() -> None:
    text = "A$, C$, NZ$. $(this).find($el). cp $HOME/$USER costs $5 or 10$."
    page = shown(text)
    assert page.text == text
    assert not page.entities
    assert pieces(shown("Take $x$ and $\\alpha^2$."), MessageEntity.CODE) == ["x", "α²"]


def test_an_escaped_angle_bracket_is_one() -> None:
    assert shown("List\\<int\\> and a \\< b").text == "List<int> and a < b"


def test_a_table_that_is_wider_than_a_phone_is_read_row_by_row() -> None:
    long = "keeps what was said, and says where it stood when the power went"
    source = f"| What | How | 备注 |\n|---|---|---|\n| A job | {long} | 好 |\n| A card | as it was | |\n\nAfter."
    shown = render_answer(Answer(source, AnswerState.DONE))[0]
    assert shown.text == (
        f"What: A job\nHow: {long}\n备注: 好\n------------\nWhat: A card\nHow: as it was\n备注:\n\nAfter."
    )
    assert [entity.type for entity in shown.entities] == ["pre"]


def test_a_wide_table_that_is_to_be_filled_in_keeps_its_columns() -> None:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    source = f"| Time | {' | '.join(days)} |\n|{'---|' * 6}\n| 08:00 | | | | | |\n| | | | | | |"
    shown = render_answer(Answer(source, AnswerState.DONE))[0].text
    assert [line.rstrip(": ") for line in shown.split("\n")][:6] == ["Time: 08:00", *days]
    assert shown.count("Friday:") == 2


def test_a_table_is_code_in_columns_with_its_addresses() -> None:
    table = "| 名字 | [Docs](https://e.org/x) |\n|---|---|\n| 龙年大吉 || \n| a\\|b | **1** `2\\3` |\n"
    page = shown(f"Look:\n\n{table}\nand on.")
    lines = ["名字      Docs (https://e.org/x)", "--------  ----------------------", "龙年大吉", "a|b       1 2\\3"]
    assert pieces(page, MessageEntity.PRE) == ["\n".join(lines)]
    assert page.text.endswith("\n\nand on.")


def test_a_block_of_an_item_begins_a_line() -> None:
    page = shown(
        "1. **Install** it:\n   ```sh\n   pip install x\n   ```\n2. **Run** it:\n\n- note\n  > quoted **words**\n"
    )
    assert page.text.split("\n")[:3] == ["1. Install it:", "pip install x", "2. Run it:"]
    assert "note\nquoted words" in page.text
    assert pieces(page, MessageEntity.PRE) == ["pip install x"]
    assert pieces(page, MessageEntity.BOLD) == ["Install", "Run", "words"]
    assert pieces(page, MessageEntity.BLOCKQUOTE)[0].strip() == "quoted words"


def test_a_bar_in_code_parts_no_cells_and_no_cell_is_lost() -> None:
    table = "| Op | Meaning |\n|---|---|\n| or | `a || b` |\n| x | y | extra |\n"
    assert pieces(shown(table), MessageEntity.PRE) == [
        "Op  Meaning\n--  -------  -----\nor  a || b\nx   y        extra"
    ]


def test_a_spoiler_may_go_over_a_line_and_hold_a_bar() -> None:
    assert pieces(shown("See ||one\ntwo | three||."), MessageEntity.SPOILER) == ["one\ntwo | three"]
