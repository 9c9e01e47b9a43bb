"""What was decided on odd input, one test a decision, and the seven rules, one line a kind."""

from collections.abc import Callable

import pytest

from finetune.datasets.report import Report
from tests.finetune.datasets.samples import GOOD, among_good, chat, good, line, text

Judge = Callable[..., Report]


def only(report: Report) -> tuple[str, str, int, bool]:
    """Rule, code, line and mendability of the one finding."""
    (finding,) = report.findings
    return finding.rule, finding.code, finding.line, finding.mendable


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (GOOD[:-1] + ", " + GOOD[1:], "messages"),
        ('{"messages": 1, ' + GOOD[1:], "messages"),
        (GOOD.replace('{"role": "user"', '{"role": "user", "role": "user"'), "role"),
        (GOOD.replace('"role": "user"', '"role": "user", "content": "x"'), "content"),
        (GOOD.replace('"role": "user"', '"role": "user", "\\u0072ole": "user"'), "role"),
    ],
)
def test_duplicate_keys_that_matter_are_an_error(judged: Judge, row: str, key: str) -> None:
    report = judged(among_good(row.encode()))
    assert only(report) == ("R1", "duplicate_key", 13, False)
    assert report.findings[0].fields == {"key": key}


def test_other_duplicate_keys_pass(judged: Judge) -> None:
    report = judged(among_good(GOOD.replace("明天", "后天").encode()[:-1] + b', "id": 1, "id": 2}'))
    assert report.ok
    assert only(report)[:2] == ("W3", "extra_keys")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_an_error(judged: Judge, constant: str) -> None:
    report = judged(among_good(GOOD.encode()[:-1] + f', "luck": {constant}}}'.encode()))
    assert [(f.rule, f.code, f.fields) for f in report.findings if f.rule == "R1"] == [
        ("R1", "not_a_number", {"piece": constant})
    ]
    assert not report.ok


@pytest.mark.parametrize("number", ["1" * 5000, "1e999", "-1e999", "9" * 1_000_000])
def test_huge_numbers_are_valid_and_never_converted(judged: Judge, number: str) -> None:
    report = judged(among_good(line(chat("问", "答"))[:-1] + f', "n": {number}}}'.encode()))
    assert report.ok
    assert report.good_rows == 13
    assert only(report)[:2] == ("W3", "extra_keys")


@pytest.mark.parametrize("escape", ["\\ud83d", "\\uDE00", "\\ude00\\ud83d"])
def test_a_lone_surrogate_is_an_error(judged: Judge, escape: str) -> None:
    report = judged(among_good(GOOD.replace("带伞", escape).encode()))
    assert only(report) == ("R1", "lone_surrogate", 13, True)
    assert "�" in report.findings[0].fields["piece"]


def test_a_whole_surrogate_pair_is_fine(judged: Judge) -> None:
    report = judged(among_good(GOOD.replace("带伞", "\\ud83d\\ude00").encode()))
    assert report.ok
    assert report.findings == ()


def test_a_lone_surrogate_in_a_dropped_key_is_an_error(judged: Judge) -> None:
    report = judged(among_good(GOOD.encode()[:-1] + b', "x": {"\\ud800": 1}}'))
    assert "lone_surrogate" in [finding.code for finding in report.findings]


@pytest.mark.parametrize(("levels", "errors"), [(62, []), (63, []), (64, ["too_deep"]), (100_000, ["too_deep"])])
def test_nesting_past_64_is_an_error(judged: Judge, levels: int, errors: list[str]) -> None:
    row = line(chat("问", "答"))[:-1] + b', "x": ' + b"[" * levels + b"]" * levels + b"}"
    report = judged(among_good(row))
    assert [finding.code for finding in report.findings if finding.severity == "error"] == errors


def test_many_brackets_that_are_not_deep_are_fine(judged: Judge) -> None:
    report = judged(among_good(line(chat("[[[[{{{{" * 40, "]" * 400)), line({**chat("a", "b"), "x": [[], {}] * 90})))
    assert report.ok


@pytest.mark.parametrize("key", ['"content": "', '"id": "'])
def test_bad_utf8_is_an_error_wherever_it_stands(judged: Judge, key: str) -> None:
    row = line({**chat("问", "答"), "id": "x"}).replace(key.encode(), key.encode() + b"\xff")
    report = judged(among_good(row))
    assert only(report) == ("R1", "bad_text", 13, False)
    assert report.findings[0].fields["byte"] == "0xFF"


def test_a_byte_order_mark_is_an_error_with_a_mend_at_line_1(judged: Judge) -> None:
    report = judged(b"\xef\xbb\xbf" + text(*good()))
    assert only(report) == ("R1", "byte_order_mark", 1, True)
    assert report.encoding == "utf-8-sig"
    assert report.good_rows == 12


def test_a_byte_order_mark_in_the_middle_is_an_error(judged: Judge) -> None:
    assert only(judged(among_good(b"\xef\xbb\xbf" + GOOD.encode()))) == ("R1", "byte_order_mark", 13, True)


def test_windows_line_ends_are_fine_and_said_once(judged: Judge) -> None:
    report = judged(b"".join(row + b"\r\n" for row in good()))
    assert report.ok
    assert only(report) == ("W7", "windows_lines", 1, True)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0c".encode("unicode_escape").decode()])
def test_only_a_newline_ends_a_line(judged: Judge, mark: str) -> None:
    report = judged(among_good(GOOD.replace("带伞", f"带{mark}伞").encode().replace(b"\\x0c", b"\\f")))
    assert report.findings == ()
    assert report.rows == 13


@pytest.mark.parametrize("control", ["\x00", "\x01", "\t", "\x1f", "\x0b"])
def test_raw_control_characters_in_a_string_are_an_error(judged: Judge, control: str) -> None:
    report = judged(among_good(GOOD.replace("带伞", f"带{control}伞").encode()))
    assert only(report) == ("R1", "control_character", 13, True)
    assert control not in report.findings[0].fields["piece"]


@pytest.mark.parametrize("blank", [b"", b"  \t", b"\r"])
def test_a_blank_line_is_an_error_with_a_mend(judged: Judge, blank: bytes) -> None:
    report = judged(text(*good()[:5], blank, *good()[5:]))
    assert only(report) == ("R1", "blank_line", 6, True)
    assert report.rows == 12


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_nothing_after_the_last_newline_is_no_line(judged: Judge, end: bytes) -> None:
    report = judged(b"\n".join(good()) + end)
    assert report.findings == ()
    assert report.rows == 12


def test_a_blank_line_at_the_end_is_one(judged: Judge) -> None:
    assert only(judged(text(*good(), b""))) == ("R1", "blank_line", 13, True)


def test_two_objects_on_a_line_are_an_error(judged: Judge) -> None:
    assert only(judged(among_good(GOOD.encode() + b" " + GOOD.encode()))) == ("R1", "two_objects", 13, True)


def test_an_object_over_two_lines_is_an_error_on_both(judged: Judge) -> None:
    report = judged(
        among_good(*GOOD.replace(', {"role": "assistant"', ',\n{"role": "assistant"').encode().split(b"\n"))
    )
    assert [(f.rule, f.code, f.line) for f in report.findings] == [("R1", "incomplete", 13), ("R1", "text_after", 14)]


def test_empty_content_passes_with_a_warning(judged: Judge) -> None:
    report = judged(among_good(line(chat("问", ""))))
    assert report.ok
    assert only(report)[:2] == ("W1", "content_empty")
    assert report.findings[0].message == 2


@pytest.mark.parametrize("blank", [" ", "\n\t", "\u3000", "\u00a0"])
def test_blank_content_passes_with_a_warning(judged: Judge, blank: str) -> None:
    assert only(judged(among_good(line(chat(blank, "答")))))[:2] == ("W2", "content_blank")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "content_null"),
        ([{"type": "text", "text": "x"}], "content_parts"),
        (8, "content_not_text"),
        (True, "content_not_text"),
        ({}, "content_not_text"),
    ],
)
def test_content_that_is_no_text_is_an_error(judged: Judge, content: object, code: str) -> None:
    row = chat("问", "答")
    row["messages"][1]["content"] = content
    report = judged(among_good(line(row)))
    assert only(report)[:2] == ("R3", code)
    assert report.findings[0].message == 1


def test_extra_keys_pass_with_one_warning_a_kind(judged: Judge, canonical: object) -> None:
    row = chat("问", "答")
    row["messages"][1] |= {"name": "小明", "weight": 1}
    row["messages"][2] |= {"weight": 0}
    report = judged(among_good(line({"id": 7, **row, "source": "x"})))
    assert report.ok
    assert [(f.code, f.message, f.fields["keys"]) for f in report.findings] == [
        ("extra_keys", None, "id, source"),
        ("extra_message_keys", 1, "name, weight"),
    ]


@pytest.mark.parametrize(
    "mark", ["<|im_end|>", "<|endoftext|>", "</s>", "<｜end▁of▁sentence｜>", "[INST]", "\\u003c|im_end|\\u003e"]
)
def test_the_text_of_a_special_token_passes_with_a_warning(judged: Judge, mark: str) -> None:
    report = judged(among_good(GOOD.replace("带伞", mark).encode()))
    assert report.ok
    assert only(report)[:2] == ("W4", "special_token")


def test_a_line_over_16_mib_is_an_error(judged: Judge) -> None:
    report = judged(text(good()[0], line(chat("长" * (6 << 20), "答")), *good()[1:]))
    assert only(report) == ("R1", "too_long", 2, False)
    assert (report.rows, report.good_rows) == (13, 12)


def test_a_line_just_under_16_mib_is_read(judged: Judge) -> None:
    report = judged(among_good(line(chat("长" * (5 << 20), "答"))))
    assert report.ok
    assert report.length_histogram[-1] == 1


def test_a_placeholder_passes_with_a_warning(judged: Judge) -> None:
    report = judged(among_good(line(chat("你是谁？", "我是 {{ name }}。"))))
    assert only(report)[:2] == ("W5", "placeholder")
    assert report.findings[0].fields == {"piece": "{{ name }}"}


def test_an_exact_duplicate_names_the_first(judged: Judge) -> None:
    spaced = good()[2].replace(b'": "', b'":"')
    report = judged(among_good(good()[2], spaced))
    assert report.ok
    assert report.exact_duplicates == 2
    assert [(f.code, f.line, f.fields) for f in report.findings] == [
        ("duplicate", 13, {"first": "3"}),
        ("duplicate", 14, {"first": "3"}),
    ]


def test_all_problems_of_all_lines_are_found_at_once(judged: Judge) -> None:
    row = {"messages": [{"role": "gpt"}, "x", {"content": 1, "role": "system"}, {"role": "user", "content": "?"}]}
    report = judged(text(line(row), b"oops", *good()))
    assert [(f.line, f.message, f.rule) for f in report.findings] == [
        (1, 0, "R4"),
        (1, 0, "R3"),
        (1, 1, "R3"),
        (1, 2, "R3"),
        (1, 2, "R5"),
        (1, 3, "R7"),
        (2, None, "R1"),
    ]
    assert report.by_rule == {"R1": 1, "R3": 3, "R4": 1, "R5": 1, "R7": 1}


def test_a_flood_of_warnings_leaves_room_for_errors(judged: Judge) -> None:
    noisy = [line({**chat(f"问{index}", "答"), "id": index}) for index in range(1500)]
    report = judged(text(*noisy, b"oops"))
    assert report.findings_total == 1501
    assert [finding.code for finding in report.findings].count("extra_keys") == 100
    assert report.findings[-1].code == "not_json"


def test_findings_are_capped_and_counted(judged: Judge) -> None:
    report = judged(text(*good(), *[b"oops"] * 3000))
    assert (len(report.findings), report.findings_total) == (1000, 3000)
    assert report.by_rule == {"R1": 3000}
