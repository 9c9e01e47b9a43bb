"""Whole blocks are judged exactly as their rows are one by one, and both as the reference judge says."""

import os
import random
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from finetune.datasets import blocks, helper, judging, lines
from finetune.datasets.blocks import Blocks
from finetune.datasets.findings import KINDS
from finetune.datasets.formats import Messages
from finetune.datasets.ledger import Ledger
from finetune.datasets.plain import scan
from finetune.datasets.report import Report
from finetune.datasets.samples import sample_of
from finetune.datasets.style import COMPACT, SPACED, Style, style_of
from finetune.errors import DatasetError
from tests.finetune.datasets.mutants import file_of
from tests.finetune.datasets.reference import broken_rules
from tests.finetune.datasets.samples import GOOD, among_good, chat, good, line, text

FILES = int(os.environ.get("TUNETELLER_FUZZ_FILES", "400"))
SIZES = (1, 7, 64, 500, 4096, 1 << 20)


class Judges:
    """Judges bytes in both ways."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch

    def __call__(self, data: bytes, block: int | None, processes: int = 1) -> tuple[Report | str, bytes]:
        """The report, or why there is none, and the canonical file; ``block``: their size, None for row by row."""
        self._patch.setattr(judging, "TOGETHER_FROM", 0)
        self._patch.setattr(judging, "BLOCKS_FROM", 1 << 60 if block is None else 0)
        self._patch.setattr(blocks, "BLOCK", block or 1)
        source, canonical = self._folder / "data.jsonl", self._folder / "canonical.jsonl"
        source.write_bytes(data)
        try:
            report = judging.judge(source, canonical, processes=processes)
        except DatasetError as error:
            return f"{error.code} {error.fields}", b""
        return report, canonical.read_bytes() if report.ok else b""


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judges:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Judges(tmp_path, monkeypatch)


def agree(judges: Judges, data: bytes, *sizes: int) -> Report | str:
    """Compare."""
    expected, canonical = judges(data, None)
    for size in sizes:
        assert judges(data, size) == (expected, canonical), (size, data)
    return expected


def plain_rows_are_good(data: bytes) -> int:
    """Hold what is said to be plain against the careful judge."""
    whole = data if data.endswith(b"\n") else data + b"\n"
    style = style_of(whole)
    plain = scan(whole, style)
    for begin, end in zip(plain.begin.tolist(), plain.end.tolist(), strict=True):
        row = whole[begin:end]
        reading = Messages().careful(row)
        assert not reading.problems, row
        assert reading.messages is not None
        assert style.row(reading.messages) == row + b"\n"
        assert not broken_rules(row)
    return len(plain.begin)


@pytest.mark.timeout(0)
def test_mutated_files(judges: Judges, capsys: pytest.CaptureFixture[str]) -> None:
    lines_seen = plain = 0
    for number in range(FILES):
        data = file_of(number)
        chance = random.Random(number)  # noqa: S311
        report = agree(judges, data, chance.choice(SIZES), 1 << 20)
        plain += plain_rows_are_good(data)
        rows = data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n")
        lines_seen += len(rows)
        if isinstance(report, Report) and (report.format, report.container) == ("messages", "jsonl"):
            found: dict[int, set[str]] = {}
            errors = [finding for finding in report.findings if finding.rule.startswith("R")]
            if report.encoding == "utf-8-sig":
                # The mark at the beginning of the file is no part of the first line.
                errors.remove(next(finding for finding in errors if finding.code == "byte_order_mark"))
            for finding in errors:
                found.setdefault(finding.line, set()).add(finding.rule)
            broken = {number: rules for number, row in enumerate(rows, 1) if (rules := broken_rules(row))}
            assert found == broken, (number, data)
    # A comparison with nothing to compare would be no test.
    assert plain > lines_seen / 6
    with capsys.disabled():
        sys.stdout.write(f"\n{FILES} files, {lines_seen} lines, {plain} of them plain: no disagreement\n")


def test_one_quote_does_not_both_begin_and_end_a_content(judges: Judges) -> None:
    row = COMPACT.row(chat("问", "答", "再问", "再答")["messages"])[:-1]
    once = row.replace('问"}'.encode(), b"}", 1)
    # As many quotes as a good row has, and every text between two contents where it has to be.
    for data in (once.replace("再答".encode(), '再"答'.encode()), once.replace("再答".encode(), b'"')):
        assert data.count(b'"') == row.count(b'"')
        assert not plain_rows_are_good(text(data))
        agree(judges, text(*good(), data), 1 << 20)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("style", [COMPACT, SPACED])
def test_marks_that_make_up_for_each_other(judges: Judges, style: Style) -> None:
    # Quotes and braces are counted for a row; one too many here and one too few there must not pass for none.
    chance = random.Random(3)  # noqa: S311
    pieces = ['"', "\\", "{", "}", "[", "]", '{"', '"}', ",", " ", "x", '"}, {"role": "user", "content": "']
    plain = 0
    for _ in range(FILES // 4):
        rows = []
        for _ in range(40):
            said = ["".join(chance.choices('答xyz{["\\', k=chance.randint(1, 4))) for _ in range(4)]
            row = style.row(chat(*said)["messages"]).decode()[:-1]
            for _ in range(chance.randint(0, 3)):
                begin = chance.randrange(len(row))
                end = begin + chance.choice((0, 0, 1, 1, 2, 32))
                row = row[:begin] + chance.choice(["", *pieces]) + row[end:]
            rows.append(row.replace("\n", "").encode())
        data = text(*rows)
        agree(judges, data, chance.choice(SIZES), 1 << 20)
        plain += plain_rows_are_good(data)
    assert plain > FILES / 2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", range(12))
def test_every_size_of_block(judges: Judges, number: int, size: int) -> None:
    agree(judges, b"".join(file_of(number * 40 + part).rstrip() + b"\n" for part in range(40)), size)


@pytest.mark.parametrize("number", range(8))
def test_two_processes_say_what_one_says(judges: Judges, number: int) -> None:
    data = b"".join(file_of(number * 40 + part).rstrip() + b"\n" for part in range(40)) + b"x" * 30_000 + b"\n{"
    expected = judges(data, None)
    for size in (300, 4096, 20_000):
        assert judges(data, size, 2) == expected


@pytest.mark.parametrize("survived", [0, 1, 5])
def test_a_second_process_that_dies_is_done_without(
    judges: Judges, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    data = text(*good(300))
    expected = judges(data, None)
    first, look = os.getpid(), helper.look
    looked = []

    def dying(*given: Any) -> Any:
        looked.append(given)
        if os.getpid() != first and len(looked) > survived:
            os._exit(1)
        return look(*given)

    monkeypatch.setattr(helper, "look", dying)
    assert judges(data, 1000, 2) == expected
    assert not psutil.Process().children()


def test_no_second_process_is_left_when_the_first_one_fails(judges: Judges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        judges(among_good(b"x", *good(3000)), 1000, 2)
    assert not psutil.Process().children()


@pytest.mark.parametrize("size", [1, 700, 4096, 1 << 20])
def test_rows_that_are_much_alike_are_duplicates_only_when_they_are_equal(judges: Judges, size: int) -> None:
    # They differ in a place that no sample has; some are written otherwise than others that say the same.
    rows = [line(chat("问", f"{number % 7}" + "答" * 300)) for number in range(60)]
    assert len({sample_of(row) for row in rows}) == 1
    rows[20:40] = [row.replace(b'"role"', b' "role" ', 1) for row in rows[20:40]]
    report = agree(judges, text(*rows[:30], b"oops", b"", *rows[30:]), size)
    assert isinstance(report, Report)
    assert report.exact_duplicates == 53


@pytest.mark.parametrize("long", [299, 300, 301, 900])
def test_lines_that_are_too_long(judges: Judges, monkeypatch: pytest.MonkeyPatch, long: int) -> None:
    monkeypatch.setattr(lines, "MAX_ROW_BYTES", 300)
    monkeypatch.setattr(blocks, "MAX_ROW_BYTES", 300)
    short = line(chat("问", "答"))
    row = line(chat("x" * (long - len(line(chat("", "答")))), "答"))
    assert len(row) == long
    for data in (text(short, row, short), text(row), text(row, row, short) + row, text(short, b"x" * long), row):
        # A block is never longer than the longest row.
        report = agree(judges, data, *SIZES[:3], 300)
        assert isinstance(report, Report)
        assert ("too_long" in {finding.code for finding in report.findings}) == (long > 300)


def test_a_line_of_many_blocks_is_searched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 10)
    source = tmp_path / "data"
    source.write_bytes(b"a" * 995 + b"\nb\n")
    reads: list[int] = []
    pread = os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        reads.append(offset)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    with source.open("rb") as file:
        found = Blocks(file.fileno(), 0)
        assert [block.data for number in range(found.count) if (block := found.read(number)).data] == [
            b"a" * 995 + b"\n",
            b"b\n",
        ]
    assert len(reads) < 110


def test_duplicates_in_other_spellings(judges: Judges) -> None:
    same = [
        GOOD.encode(),
        GOOD.replace('", "', '","').encode(),
        GOOD.replace("第", "\\u7b2c").encode(),
        b'{"messages": [' + b", ".join(_turned(GOOD)) + b"]}",
        b" " + GOOD.encode() + b"\r",
    ]
    report = agree(judges, text(*good(), *same), *SIZES)
    assert isinstance(report, Report)
    assert report.exact_duplicates == 5
    found = [(one.line, one.fields["first"]) for one in report.findings if one.code == "duplicate"]
    assert found == [(line, "1") for line in range(13, 18)]


def _turned(row: str) -> list[bytes]:
    import json

    return [line(dict(reversed(message.items()))) for message in json.loads(row)["messages"]]


@pytest.mark.parametrize("mine", [SPACED, COMPACT])
def test_the_canonical_form_has_one_style(judges: Judges, mine: Style) -> None:
    rows = [mine.row(chat(f"问{number}\x01/", "答")["messages"]) for number in range(20)]
    other = (SPACED if mine is COMPACT else COMPACT).row(chat("另", "答\n")["messages"])
    report, canonical = judges(b"".join(rows) + other, 64)
    assert isinstance(report, Report)
    assert report.ok
    assert canonical == b"".join(rows) + mine.row(chat("另", "答\n")["messages"])


@pytest.mark.parametrize(
    "content",
    [
        *("</s>", "<s>", "<|x|>", "<｜x｜>", "<<SYS>>", "<</SYS>>", "[INST]", "[/INST]", "<bos>", "<eos>", "<pad>"),
        *("<start_of_turn>", "<end_of_turn>", "{{x}}", "x{{ a.b }}", "", " ", "\n", "\u3000", "\x85", "\xa0\n", "\t "),
        *("\u2003", "\u2028", "\u1680", "\u205f", "\f", "\x0b", "\x1c"),
    ],
)
@pytest.mark.parametrize("around", ["", "文", 'x\\"\n'])
def test_what_deserves_a_warning_is_never_plain(content: str, around: str) -> None:
    if not content.strip() and around:
        return
    row = line(chat("问", around + content + around))
    assert not len(scan(row + b"\n", SPACED).line)
    # Nor does it hide behind a line that lacks what this one has too much of.
    for lacks in (row, b'{"messages": {"role"' + row[22:], b'"messages": [' + row[13:], GOOD.replace("[", "").encode()):
        for data in (text(lacks, row), text(row, lacks), text(*good(3), lacks, row)):
            found = scan(data, SPACED)
            assert all(data[b:e] in good(3) for b, e in zip(found.begin, found.end, strict=True))


def test_plain_rows_are_found() -> None:
    rows = [*good(), line(chat('a\n"b"\\', "<b>[1] {x} </div> 😀“", "c", "d")), line(chat("a", "b", system=None))]
    assert len(scan(text(*rows), SPACED).line) == len(rows)
    assert len(scan(text(*(COMPACT.row(chat(f"{n}", "b")["messages"])[:-1] for n in range(5))), COMPACT).line) == 5


@pytest.mark.parametrize("tail", [" ", "\t", "\r", "x", "]", ",", " {}", "null", "}", "\ufeff", "\\"])
@pytest.mark.parametrize("style", [SPACED, COMPACT])
def test_nothing_else_stands_on_a_plain_line(judges: Judges, tail: str, style: Style) -> None:
    row = style.row(chat("问", "答")["messages"])[:-1]
    assert not len(scan(row + tail.encode() + b"\n", style).line)
    assert not len(scan(tail.encode() + row + b"\n", style).line)
    agree(judges, text(*good(), row + tail.encode(), tail.encode() + row), *SIZES)


@pytest.mark.parametrize("end", ["}}]", "]}}", "}] ", "}],", "}}}", "xxx"])
@pytest.mark.parametrize("style", [SPACED, COMPACT])
def test_a_plain_row_is_closed(end: str, style: Style) -> None:
    assert not len(scan(style.row(chat("问", "答")["messages"])[:-4] + end.encode() + b"\n", style).line)


def test_blocks_may_be_read_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 10)
    source = tmp_path / "data"
    source.write_bytes(b"a" * 35 + b"\nbb\n\n" + b"c" * 9 + b"\nd\ne")
    with source.open("rb") as file:
        found = Blocks(file.fileno(), 0)
        inward = {number: found.read(number) for number in (5, 0, 4, 1, 3, 2)}
        assert [inward[number] for number in range(6)] == [found.again().read(number) for number in range(6)]
        assert b"".join(inward[number].data for number in range(6)) == source.read_bytes() + b"\n"


def test_all_that_is_no_utf_8_is_found() -> None:
    middle = (0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xED, 0xF4, 0xFF)
    pieces = [bytes([first]) for first in range(0x7F, 0x100)]
    pieces += [bytes([first, second]) for first in range(0x7F, 0x100) for second in middle[1:]]
    pieces += [
        bytes([first, second, third])
        for first in (0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF4)
        for second in middle[3:9]
        for third in middle[1:]
    ]
    pieces += [
        bytes([first, second, 0x80, last])
        for first in (0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5)
        for second in middle[3:9]
        for last in middle[1:]
    ]
    rows = [GOOD.encode().replace(b"\xe5\xb8\xa6", b"x" + piece + b"x") for piece in pieces]
    valid = [number for number, piece in enumerate(pieces) if _is_utf8(piece)]
    assert len(valid) > 100
    assert scan(text(*rows), SPACED).line.tolist() == valid
    for number, row in enumerate(rows):
        assert len(scan(row + b"\n", SPACED).line) == (number in valid)


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_room_that_was_not_needed_is_given_back(judges: Judges) -> None:
    rows = [row + b" " * 200 for row in good(2000)]
    report, canonical = judges(text(*rows), 1 << 20)
    assert isinstance(report, Report)
    assert report.ok
    assert canonical == text(*good(2000))


def test_codes_that_the_mutants_bring_up(judges: Judges) -> None:
    met = set()
    for number in range(300):
        report, _ = judges(file_of(number), 64)
        if isinstance(report, Report):
            met |= {finding.code for finding in report.findings}
    wanted = {code for code, kind in KINDS.items() if kind.rule != "W11"}
    assert len(met) > 30, sorted(wanted - met)


def test_only_a_few_lines_among_good_ones(judges: Judges) -> None:
    report = agree(judges, among_good(b"", b"{", GOOD.encode()) + b"x", *SIZES)
    assert isinstance(report, Report)
    assert report.rows == 15
