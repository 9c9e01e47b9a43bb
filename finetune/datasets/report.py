"""What a judging found out, as plain data that survives JSON."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finetune.datasets.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of the contents (the chat template's own are not counted). ``exact`` is false for a sample."""

    count: int
    method: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A judged file.

    ``rows`` counts lines that are not blank, or elements; everything after ``good_rows`` is about rows without an
    error. ``turns``: questions with their answers. ``characters``: of all contents. ``system_prompts``: the five
    most frequent with their rows, whole; ``""`` stands for none. ``languages``: share of rows by script.
    ``length_histogram``: rows by characters, bucket ``k`` from 2^k to below 2^(k+1), the last without an end.
    ``findings`` are in the order of the file and at most 1,000, errors before warnings when there are more;
    ``findings_total``, ``by_rule`` and ``by_code`` count all. ``notes``: codes of what was understood
    (``dataset.note.<code>``).
    """

    format: str
    container: str
    encoding: str
    rows: int
    good_rows: int
    turns: int
    characters: int
    exact_duplicates: int
    system_prompts: tuple[tuple[str, int], ...]
    languages: Mapping[str, float]
    length_histogram: tuple[int, ...]
    findings: tuple[Finding, ...]
    findings_total: int
    by_rule: Mapping[str, int]
    by_code: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the file can be trained on: a good row, and no error anywhere."""
        return self.good_rows >= 1 and not any(rule.startswith("R") for rule in self.by_rule)

    def as_json(self) -> dict[str, Any]:
        """Plain values only; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Report":
        """The report again. Raises ``TypeError`` or ``KeyError`` for anything else."""
        # Reports that were stored by an earlier version counted tokens, and had no counts by code.
        data = {key: value for key, value in data.items() if key not in ("tokens", "longest_tokens")}
        return cls(
            **{
                "by_code": dict(Counter(finding["code"] for finding in data["findings"])),
                **data,
                "system_prompts": tuple((text, count) for text, count in data["system_prompts"]),
                "length_histogram": tuple(data["length_histogram"]),
                "findings": tuple(
                    Finding(**{**finding, "severity": Severity(finding["severity"])}) for finding in data["findings"]
                ),
                "notes": tuple(data["notes"]),
            }
        )
