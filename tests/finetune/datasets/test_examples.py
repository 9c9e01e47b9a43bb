"""The sample files of the project, judged as their README says."""

import re
from pathlib import Path

from finetune.datasets import Severity, examine
from finetune.datasets.formats.question_response import SYSTEM_PROMPT

EXAMPLES = Path(__file__).parents[3] / "examples"


async def test_the_sample_dataset_has_nothing_to_complain_about(tmp_path: Path) -> None:
    report = await examine(EXAMPLES / "fortune_telling.jsonl", tmp_path / "canonical.jsonl")
    assert report.ok
    assert report.findings == ()
    assert report.good_rows >= 120
    assert report.system_prompts[0][1] == report.rows


async def test_the_tutorials_source_shape(tmp_path: Path) -> None:
    source = EXAMPLES / "all_details.json"
    report = await examine(source, tmp_path / "canonical.jsonl", reading="question_response")
    assert report.ok
    assert report.findings == ()
    assert report.rows == 30
    assert report.notes == ("question_response_converted", "system_prompt_added", "cot_dropped")
    assert report.system_prompts == ((SYSTEM_PROMPT, 30),)


async def test_one_error_of_each_kind_is_found_where_the_readme_says(tmp_path: Path) -> None:
    source = EXAMPLES / "one_error_of_each_kind.jsonl"
    report = await examine(source, tmp_path / "canonical.jsonl")
    table = re.findall(r"^\| +(\d+) \| (good|error|warning) \|", (EXAMPLES / "README.md").read_text("utf-8"), re.M)
    assert len(table) == source.read_bytes().count(b"\n")
    found = {
        number: {finding.severity for finding in report.findings if finding.line == int(number)} for number, _ in table
    }
    expected = {"good": set(), "error": {Severity.ERROR}, "warning": {Severity.WARNING}}
    assert found == {number: expected[kind] for number, kind in table}
    assert {finding.rule for finding in report.findings} >= {f"R{number}" for number in range(1, 8)}
