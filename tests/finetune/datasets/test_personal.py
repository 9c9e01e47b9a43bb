"""Personal data: what is found, what is left alone, and how it looks hidden."""

import random
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.cn import ric

from finetune.datasets.personal import FIRST_ROWS, PersonalCount, counted, found_in, masked
from tests.finetune.datasets.samples import chat

ID = "11010519491231002X"
CARD = "622202020011223" + luhn.calc_check_digit("622202020011223")
VISA = "402400712345678" + luhn.calc_check_digit("402400712345678")


@pytest.mark.parametrize(
    ("text", "kind", "hidden"),
    [
        ("电话13812345678。", "phone", "电话138****5678。"),
        ("我的手机：138-1234-5678，谢谢", "phone", "我的手机：138-****-5678，谢谢"),
        ("+86 138 1234 5678", "phone", "+86 138 **** 5678"),
        ("0086-13812345678", "phone", "0086-138****5678"),
        ("打8613812345678吧", "phone", "打86138****5678吧"),
        ("１３８１２３４５６７８", "phone", "１３８****５６７８"),
        ("座机(010)62345678", "phone", "座机(010)****5678"),
        ("座机（010）6234 5678", "phone", "座机（010）**** 5678"),
        ("010-62345678", "phone", "010-****5678"),
        ("分机 010-62345678-801", "phone", "分机 010-****5678-801"),
        ("0571-87654321", "phone", "057*-****4321"),
        ("电话：01062345678", "phone", "电话：010****5678"),
        ("call +1 415 555 2671 2024 times", "phone", "call +1 41* *** 2671 2024 times"),
        ("+1 (212) 736-5000", "phone", "+1 (21*) ***-5000"),
        ("London: +44 20 7946 0958.", "phone", "London: +44 2* **** 0958."),
        ("Niue +683 4001", "phone", "Niue +68* **01"),
        (f"身份证号{ID}，", "identity", "身份证号110*************2X，"),
        (ID.lower(), "identity", "110*************2x"),
        (f"卡号{CARD}", "card", "卡号6222********2230"),
        ("6222 0202 0011 2230", "card", "6222 **** **** 2230"),
        (f"visa {VISA}", "card", "visa 4024********6781"),
        ("amex 3782 822463 10005", "card", "amex 3782 ****** *0005"),
        ("write to a.b+c@mail.example.com.", "email", "write to a***@mail.example.com."),
        ("邮箱zhang_3@qq.com，", "email", "邮箱z***@qq.com，"),
        ("13812345678@qq.com", "email", "1***@qq.com"),
    ],
)
def test_what_is_found_and_how_it_is_hidden(text: str, kind: str, hidden: str) -> None:
    assert [found.kind for found in found_in(text)] == [kind]
    assert masked(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "今天是2024-01-01 12:30:45，明天20240102",
        "2023.12.31-2024.12.31",
        "时间戳1700000000和1700000000000",
        "价格：¥13812345678，1,380,012,345元，3.14159265358979",
        "订单号13812345678",
        "Order no: 13812345678",
        "快递单号：2024010112345678",
        "0.13812345678",
        "SN13812345678A",
        "192.168.100.200:8080",
        "ISBN 978-7-111-12345-6",
        "QQ 123456789",
        "110105194912310021",  # a wrong check digit
        "11010519491331002X",  # a thirteenth month
        "99010519491231002X",
        "6222020200112231",  # a wrong check digit
        "1234567812345670",  # a right one, of no issuer
        "2012345678901233",
        "0000000000000000",
        "2001:0db8:85a3::8a2e:0370:7334",
        "550e8400-e29b-41d4-a716-446655440000",
        "01062345678",  # nobody says that it is a telephone
        "+12345678",
        "1+1=2, x@y, @all, user@localhost, a@b.c",
        "12345678901234567890123456789",
        "第13812345678901234567章",
        "圆周率 3.1415926 5358 9793",
    ],
)
def test_ordinary_numbers_stay_silent(text: str) -> None:
    assert found_in(text) == []
    assert masked(text) is text


def test_several_in_one_text_in_order() -> None:
    text = f"13812345678,13912345678/0571-87654321 {ID} {CARD} me@qq.com +44 20 7946 0958"
    found = found_in(text)
    assert [each.kind for each in found] == ["phone", "phone", "phone", "identity", "card", "email", "phone"]
    assert [text[each.start : each.end] for each in found] == [
        *["13812345678", "13912345678", "0571-87654321", ID, CARD, "me@qq.com", "+44 20 7946 0958"]
    ]


@given(st.randoms(use_true_random=False), st.dates(min_value=date(1900, 1, 1)))
def test_every_valid_identity_is_found_and_no_other(chance: random.Random, born: date) -> None:
    start = f"110105{born:%Y%m%d}{chance.randint(0, 999):03}"
    right = ric.calc_check_digit(start + "0")
    for digit in "0123456789X":
        kinds = [each.kind for each in found_in(f"号码：{start}{digit}。")]
        assert (kinds == ["identity"]) == (digit == right and ric.is_valid(start + digit))


PIECES = [
    "138",
    "12345678",
    "13812345678",
    "0571",
    "-",
    " ",
    "+",
    "86",
    "+86",
    "010",
    "(",
    ")",
    ".",
    "@",
    "*",
    "a",
    "x",
]
PIECES += [
    "qq.com",
    "me@qq.com",
    ID,
    CARD,
    "87654321",
    "，",
    "电话",
    "１３８",
    "＠",
    "+1 415 555 2671",
    "00",
    "，",
    "\n",
]
jumbled = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(jumbled)
@example("13812340571-62345678")
@example("a@13812345678.com 13812345678")
@settings(max_examples=600)
def test_hiding_leaves_nothing_and_touches_nothing_else(text: str) -> None:
    found = found_in(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(left.end <= right.start for left, right in pairwise(found))
    hidden = masked(text)
    assert found_in(hidden) == []
    assert masked(hidden) == hidden
    if not found:
        assert hidden == text
    elif text.count("@") + text.count("＠") == 0:
        assert len(hidden) == len(text)
        assert all(new in (old, "*") for new, old in zip(hidden, text, strict=True))


@given(st.text(st.characters(exclude_characters="@＠", exclude_categories=["Nd", "Cs"])))
def test_text_without_digits_and_addresses_is_never_changed(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "1" * 2_000_000,
        "1 " * 1_000_000,
        "a" * 2_000_000 + "@",
        "a." * 500_000 + "@" + "a." * 500_000,
        "+1" * 1_000_000,
        "0" * 99 + "-1" * 1_000_000,
        "@" * 2_000_000,
        "1381234567 " * 100_000,
        "(0" * 1_000_000,
    ],
    ids=lambda text: text[:6],
)
def test_long_texts_made_to_annoy_end(text: str) -> None:
    assert found_in(text) == []


def test_counting_keeps_rows_and_no_text() -> None:
    rows = [chat("好", "13812345678 和 13912345678")["messages"]] * 7
    rows += [chat("me@qq.com", "好")["messages"], chat("好", "好")["messages"]]
    found = counted(rows)
    assert found == {
        "phone": PersonalCount(14, 7, (0, 1, 2, 3, 4)),
        "email": PersonalCount(1, 1, (7,)),
    }
    assert len(found["phone"].first) == FIRST_ROWS


def test_a_system_prompt_counts_once() -> None:
    rows = [chat("好", "好", system="请写信到 me@qq.com")["messages"]] * 9
    assert counted(rows) == {"email": PersonalCount(1, 1, (0,))}
