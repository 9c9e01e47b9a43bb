"""Tables and archives: made with the libraries that people use, read as anybody's upload."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow
import pytest
from pyarrow import parquet

from finetune.datasets import Report, archives, examine
from finetune.errors import DatasetError

ROWS = [
    {"Question": f"问题{index}，好吗？", "Response": f'Answer {index}, "quoted"\nsecond line'} for index in range(12)
]


def conversation(row: dict[str, str]) -> list[str]:
    return [row["Question"], row["Response"]]


def as_csv(rows: list[dict[str, str]] = ROWS, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: list[dict[str, str]] = ROWS, above: int = 0) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for _ in range(above):
        sheet.append([])
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def as_parquet(rows: list[dict[str, object]] | list[dict[str, str]] = ROWS) -> bytes:
    data = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), data)
    return data.getvalue()


def as_lines(rows: list[dict[str, str]] = ROWS) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_zip(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


async def judged(folder: Path, data: bytes, name: str = "file") -> tuple[Report, list[list[str]]]:
    source, canonical = folder / "upload", folder / "canonical"
    source.write_bytes(data)
    report = await examine(source, canonical, name=name)
    found = []
    if report.ok:
        conversations = [json.loads(line)["messages"] for line in canonical.read_text("utf-8").splitlines()]
        found = [[m["content"] for m in messages if m["role"] != "system"] for messages in conversations]
    assert {path.name for path in folder.iterdir()} <= {"upload", "canonical"}
    return report, found


@pytest.mark.parametrize(
    ("container", "make"),
    [
        ("csv", as_csv),
        ("csv", lambda: as_csv(encoding="utf-8-sig")),
        ("csv", lambda: as_csv(encoding="gb18030")),
        ("csv", lambda: as_csv(encoding="utf-16")),
        ("csv", lambda: as_csv(delimiter=";")),
        ("tsv", lambda: as_csv(delimiter="\t")),
        ("xlsx", as_xlsx),
        ("xlsx", lambda: as_xlsx(above=3)),
        ("parquet", as_parquet),
        ("csv.gz", lambda: gzip.compress(as_csv())),
        ("jsonl.gz", lambda: gzip.compress(as_lines())),
        ("jsonl.zip", lambda: as_zip({"data/rows": as_lines(), "__MACOSX/rows": b"junk", ".DS_Store": b"junk"})),
        ("xlsx.zip", lambda: as_zip({"book": as_xlsx()})),
        ("parquet.gz", lambda: gzip.compress(as_parquet())),
    ],
)
async def test_the_same_rows_come_out_of_every_container(
    tmp_path: Path, container: str, make: Callable[[], bytes]
) -> None:
    report, found = await judged(tmp_path, make())
    assert report.ok, report.findings
    assert (report.container, report.format, report.rows) == (container, "question_response", 12)
    assert found == [conversation(row) for row in ROWS]


async def test_lines_are_those_of_the_text_and_rows_those_of_the_table(tmp_path: Path) -> None:
    data = b'Question,Response\r\n"a\nb",first\r\nc,second,third\r\n\r\nd,\xff\r\ne,fine\r\n'
    report, _ = await judged(tmp_path, data)
    found = [(finding.code, finding.line, finding.row) for finding in report.findings]
    assert found == [("few_rows", 1, None), ("cells_too_many", 4, 2), ("cell_bad_text", 6, 3)]
    assert report.rows == 4


async def test_a_sheet_counts_its_rows_as_people_see_them(tmp_path: Path) -> None:
    rows = [*ROWS[:2], {"Question": "", "Response": "lost"}, *ROWS[2:]]
    report, _ = await judged(tmp_path, as_xlsx(rows, above=2))
    assert [(finding.code, finding.line, finding.row) for finding in report.findings] == [("content_empty", 6, 3)]


async def test_numbers_of_a_sheet_are_text(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"Question": 7, "Response": 2.5}] * 1
    _, found = await judged(tmp_path, as_xlsx(rows))  # type: ignore[arg-type]
    assert found == [["7", "2.5"]]


async def test_nested_columns_are_conversations(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]
    with_gap: list[dict[str, object]] = [{"messages": [{**m, "name": None} for m in messages], "extra": None}] * 2
    _, found = await judged(tmp_path, as_parquet(with_gap))
    assert found == [["Who?", "Me."]] * 2
    _, found = await judged(tmp_path, as_csv([{"id": "1", "messages": json.dumps(messages)}]))
    assert found == [["Who?", "Me."]]


def _endless() -> bytes:
    return gzip.compress(b"0" * (archives.MAX_RATIO * 400_000))


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("archive_broken", lambda: gzip.compress(as_csv())[:-20]),
        ("archive_broken", lambda: as_zip({"a": as_csv() * 9})[:60]),
        ("archive_files", lambda: as_zip({"a": as_csv(), "b": as_csv()})),
        ("archive_files", lambda: as_zip({"folder/": b""})),
        ("archive_too_large", _endless),
        ("dataset_archive", lambda: gzip.compress(gzip.compress(as_csv()))),
        ("table_broken", lambda: as_parquet()[:-30]),
        ("table_broken", lambda: as_xlsx()[:40] + as_xlsx()[60:]),
        ("table_column_twice", lambda: b"Question,Question,Response\na,b,c\n"),
        ("table_columns", lambda: b"name,age\nAnn,3\nBob,4\n"),
        ("dataset_plain_text", lambda: b"Dear all, hello\nthis is prose\n"),
        ("dataset_preference", lambda: b"prompt,chosen,rejected\na,b,c\nd,e,f\n"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    tmp_path: Path, code: str, make: Callable[[], bytes]
) -> None:
    with pytest.raises(DatasetError) as error:
        await judged(tmp_path, make())
    assert error.value.code == code
    assert {path.name for path in tmp_path.iterdir()} == {"upload"}


async def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    data = bytearray(as_zip({"rows": as_lines()}))
    # The flag of the local header and that of the directory.
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DatasetError) as error:
        await judged(tmp_path, bytes(data))
    assert error.value.code == "archive_encrypted"


async def test_a_members_name_is_only_text(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../../etc/escape.json", as_lines())
    report, _ = await judged(tmp_path, data.getvalue())
    assert report.container == "jsonl.zip"
    # The member's own name counts, not the archive's.
    assert "json_holds_lines" in {finding.code for finding in report.findings}
    assert not list(tmp_path.parent.rglob("escape.json"))


async def test_an_open_quote_names_its_line(tmp_path: Path) -> None:
    data = b"Question,Response\na,b\n" + b'"open,c\n' + b"d,e,f\n" * 5
    report, _ = await judged(tmp_path, data)
    assert ("value_missing", 3) in [(finding.code, finding.line) for finding in report.findings]
