"""Encodings are recognised from the content, converted, and said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.datasets.encoding import recognise, to_utf8
from finetune.datasets.report import Report
from tests.finetune.datasets.samples import among_good, chat, good, line, text

Judge = Callable[..., Report]
LINES = text(*good())


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (LINES.decode().encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + LINES.decode().encode("utf-16-be"), "utf-16-be"),
        (LINES.decode().encode("utf-16-le"), "utf-16-le"),
        (LINES.decode().encode("utf-16-be"), "utf-16-be"),
        (LINES.decode().encode("utf-32"), "utf-32-le"),
        (LINES.decode().encode("gb18030"), "gb18030"),
        (LINES.decode().encode("gbk"), "gb18030"),
        (
            text(*[line(chat("plain", f"ascii {index}")) for index in range(30_000)], *good()).decode().encode("gbk"),
            "gb18030",
        ),
    ],
)
def test_another_encoding_is_read_and_said(judged: Judge, canonical: Path, data: bytes, name: str) -> None:
    report = judged(data)
    assert report.ok
    assert report.encoding == name
    assert [(f.rule, f.code) for f in report.findings if f.code != "system_varies"] == [("W11", "converted_text")]
    assert canonical.read_bytes().endswith(LINES.replace(b'": ', b'":').replace(b", {", b",{").replace(b', "', b',"'))


def test_utf8_with_a_few_broken_bytes_stays_utf8(judged: Judge) -> None:
    report = judged(among_good(good()[0].replace("带".encode(), b"\xe5\xb8")))
    assert report.encoding == "utf-8"
    assert [finding.code for finding in report.findings] == ["bad_text"]


def test_latin_text_is_not_taken_for_chinese() -> None:
    assert recognise("déjà vu, naïve café".encode("latin-1")).name == "utf-8"


@pytest.mark.parametrize(("encoding", "broken"), [("gb18030", b"\xff"), ("utf-16-le", b"\x00\xd8")])
def test_a_broken_character_of_another_encoding_is_found_on_its_line(
    judged: Judge, encoding: str, broken: bytes
) -> None:
    before, after = text(*good(5)).decode(), text(*good(12)[5:]).decode()
    odd = '{"messages": "'.encode(encoding) + broken + '"}\n'.encode(encoding)
    report = judged(before.encode(encoding) + odd + after.encode(encoding))
    assert report.encoding == encoding
    assert [(f.line, f.code) for f in report.findings if f.rule == "R1"] == [(6, "bad_text")]
    assert report.good_rows == 12


def test_a_cut_last_character_is_found(judged: Judge) -> None:
    report = judged(LINES.decode().encode("utf-16") + b"{")
    assert [(f.line, f.code) for f in report.findings if f.rule == "R1"] == [(13, "bad_text")]


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_conversion_does_not_depend_on_where_chunks_end(name: str) -> None:
    whole = "算命先生，😀\n".encode(name)
    chunks = [whole[at : at + 1] for at in range(len(whole))]
    encoding = recognise(whole)
    # A byte order mark is in the first chunk, as when a file is read.
    first = b"".join(chunks[: max(1, encoding.mark)])
    assert b"".join(to_utf8([first, *chunks[max(1, encoding.mark) :]], encoding)).decode() == "算命先生，😀\n"
