"""Elements of an array: where each begins, what is wrong between them, in bounded memory, however it is cut."""

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.datasets.elements import elements
from finetune.datasets.findings import Problem
from finetune.datasets.lines import MAX_ROW_BYTES
from finetune.datasets.report import Report
from tests.finetune.datasets.samples import chat, good, line

Judge = Callable[..., Report]
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', "[{", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@settings(deadline=None)
@given(values=st.lists(_json, max_size=5), indent=st.none() | st.integers(0, 2), size=st.integers(1, 50))
def test_elements_are_those_of_a_json_parser(values: list[object], indent: int | None, size: int) -> None:
    data = json.dumps(values, ensure_ascii=False, indent=indent).encode()
    found = list(elements(cut(data, size)))
    assert [json.loads(piece) for _, _, piece in found if isinstance(piece, bytes)] == values
    assert [row for _, row, _ in found] == list(range(1, len(values) + 1))
    for at, _, piece in found:
        assert isinstance(piece, bytes)
        assert piece.split(b"\n")[0] in data.split(b"\n")[at - 1]


@settings(deadline=None)
@given(data=st.binary(max_size=60), size=st.integers(1, 20))
def test_any_bytes_end_and_lose_nothing(data: bytes, size: int) -> None:
    whole = list(elements([b"[" + data]))
    assert list(elements(cut(b"[" + data, size))) == whole


def test_pretty_printed_rows_have_their_lines(judged: Judge) -> None:
    rows = [json.loads(row) for row in good()]
    rows[4]["messages"][1]["role"] = "tool"
    data = json.dumps(rows, ensure_ascii=False, indent=2).encode()
    report = judged(data, "data.json")
    (finding,) = report.findings
    assert (finding.code, finding.row, finding.message) == ("role_tool", 5, 1)
    assert data.split(b"\n")[finding.line - 1] == b"  {"
    assert data.split(b"\n")[: finding.line].count(b"  {") == 5


def test_several_elements_on_a_line(judged: Judge) -> None:
    report = judged(b"[" + b",".join([*good(), good()[1], b"1"]) + b"]", "data.json")
    assert [(f.code, f.line, f.row) for f in report.findings] == [("duplicate_row", 1, 13), ("not_object", 1, 14)]
    assert report.findings[0].fields == {"first": "2"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[{},\n]", [(1, 1, b"{}"), (1, 1, "trailing_comma")]),
        (b"[{}\n{}]", [(1, 1, b"{}"), (2, 1, "missing_comma"), (2, 2, b"{}")]),
        (b"[{}", [(1, 1, b"{}"), (1, 1, "array_unclosed")]),
        (b"[{},", [(1, 1, b"{}"), (1, 1, "array_unclosed")]),
        (b'[\n{"a": "', [(2, 1, "array_unclosed")]),
        (b"[", [(1, None, "array_unclosed")]),
        (b"[{}]\n x", [(1, 1, b"{}"), (2, None, "text_after")]),
        (b"[{},,{}]", [(1, 1, b"{}"), (1, 2, b","), (1, 2, "missing_comma"), (1, 3, b"{}")]),
        (b'[1,"a]",null]', [(1, 1, b"1"), (1, 2, b'"a]"'), (1, 3, b"null")]),
    ],
)
def test_what_is_wrong_between_elements(data: bytes, expected: list[object]) -> None:
    for size in (1, 3, 1000):
        found = [
            (at, row, piece.code if isinstance(piece, Problem) else piece)
            for at, row, piece in elements(cut(data, size))
        ]
        assert found == expected


@pytest.mark.parametrize(
    "filling", [b'"' + b"x" * 1000 + b'",', b"x" * 1000, b'\\"' * 500, b"[" + b"1," * 500 + b"2],"]
)
def test_an_element_over_the_limit_is_skipped_in_bounded_memory(filling: bytes) -> None:

    def chunks() -> Iterator[bytes]:
        yield b'[{"a": 1}, [' + (b"" if filling[:1] in b'"[' else b'"')
        for _ in range(MAX_ROW_BYTES * 2 // len(filling)):
            yield filling
        yield b'"' if filling[:1] not in b'"[' else b"0"
        yield b"], {}]"

    found = [
        (row, piece.code if isinstance(piece, Problem) else piece) for _, row, piece in elements(_joined(chunks()))
    ]
    assert found == [(1, b'{"a": 1}'), (2, "too_long"), (3, b"{}")]


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """In pieces of a megabyte, as a file is read."""
    piece = bytearray()
    for chunk in chunks:
        piece += chunk
        if len(piece) >= 1 << 20:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def test_rows_of_an_array_are_kept_in_order(judged: Judge) -> None:
    rows = [line(chat(f"问{index}", "答" * 3000)) for index in range(500)]
    report = judged(b"[\n" + b",\n".join(rows) + b"\n]\n", "data.json")
    assert report.ok
    assert report.rows == 500
    assert report.findings == ()
