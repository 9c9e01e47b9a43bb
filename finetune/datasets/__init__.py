"""Datasets: read, understand, judge, split. Light to import; the work is done in a process of its own."""

from finetune.datasets.examination import examine
from finetune.datasets.findings import Finding, Severity
from finetune.datasets.report import Report, TokenCount
from finetune.datasets.rows import rows, split

__all__ = ["Finding", "Report", "Severity", "TokenCount", "examine", "rows", "split"]
