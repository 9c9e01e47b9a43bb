"""Datasets: read, understand, judge, mend, measure, split. Light to import: the work has processes of its own."""

from finetune.datasets.examination import examine
from finetune.datasets.findings import Finding, Severity
from finetune.datasets.measures import Measures
from finetune.datasets.measuring import measured
from finetune.datasets.mending import Changes, Wish, mended
from finetune.datasets.report import Report, TokenCount
from finetune.datasets.rows import rows, split

__all__ = [
    "Changes",
    "Finding",
    "Measures",
    "Report",
    "Severity",
    "TokenCount",
    "Wish",
    "examine",
    "measured",
    "mended",
    "rows",
    "split",
]
