"""Whatever bytes come: a report or a refusal, never anything else, and figures that fit together."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.datasets import Report, Severity
from finetune.datasets.judging import judge
from finetune.errors import DatasetError
from tests.finetune.datasets.reference import broken_rules
from tests.finetune.datasets.samples import good, text

EXAMPLES = int(os.environ.get("TUNETELLER_FUZZ", "300"))

_QA = json.dumps([{"Question": f"问{index}", "Response": "答", "Complex_CoT": "想"} for index in range(4)], indent=1)
_SEEDS = [
    text(*good(4)),
    b"[\n" + b",\n".join(good(4)) + b"\n]\n",
    _QA.encode(),
    text(*good(3)).decode().encode("utf-16"),
    text(*good(3)).decode().encode("gb18030"),
    b"\xef\xbb\xbf" + text(*good(2)),
]
_INSERTS = [
    b"\n",
    b"\r\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"NaN",
    b"null",
]


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at:at] = draw(st.sampled_from(_INSERTS))
            case 1:
                del data[at : at + draw(st.integers(1, 200))]
            case 2:
                data[at : at + 2] = draw(st.binary(max_size=3))
            case _:
                begin = draw(st.integers(0, len(data)))
                data[at:at] = data[begin : begin + draw(st.integers(1, 400))]
    return bytes(data)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.one_of(_files(), st.binary(max_size=300)))
def test_any_file_is_judged_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    source, canonical = folder / "any", folder / "any.canonical"
    source.write_bytes(data)
    try:
        report = judge(source, canonical)
    except DatasetError:
        return
    check(report, data, canonical)


def check(report: Report, data: bytes, canonical: Path) -> None:
    """What holds for every report."""
    assert report.good_rows <= report.rows
    assert report.findings_total == sum(report.by_rule.values()) >= len(report.findings)
    last = data.count(b"\n") + 1
    assert all(1 <= finding.line <= last for finding in report.findings)
    assert [finding.place for finding in report.findings] == sorted(finding.place for finding in report.findings)
    assert report.ok == (
        report.good_rows > 0 and not any(finding.severity is Severity.ERROR for finding in report.findings)
    )
    if report.ok:
        rows = canonical.read_bytes().split(b"\n")[:-1]
        assert len(rows) == report.good_rows
        assert all(not broken_rules(row) for row in rows)
    if (report.container, report.format, report.encoding) == ("jsonl", "messages", "utf-8"):
        lines = data.split(b"\n")
        lines = lines if lines[-1] else lines[:-1]
        expected = {number for number, row in enumerate(lines, 1) if broken_rules(row)}
        found = {finding.line for finding in report.findings if finding.severity is Severity.ERROR}
        assert found == expected
