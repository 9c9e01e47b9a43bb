"""What an image training takes beside the hyperparameters: the trigger word and the number of repeats."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from finetune.errors import ParameterError
from finetune.images.findings import Finding, Problem
from finetune.images.report import Image, Note, Report
from finetune.parameters import Range

# The console prints no range; more than this of each picture is no training but a recitation.
REPEATS = Range(
    "repeats", 1, 100, whole=True, flags=("repeats", "number-of-repeats", "重复次数", "单张图片重复训练次数")
)
TRIGGER_FLAGS = ("trigger", "trigger-word", "触发词")
MAX_TRIGGER = 64


@dataclass(frozen=True, slots=True)
class Parameters:
    """``trigger`` is put before each caption, "" for none; an epoch shows each picture ``repeats`` times."""

    trigger: str = ""
    repeats: int = 1

    @classmethod
    def checked(cls, trigger: str = "", repeats: float = 1) -> "Parameters":
        """Parameters in range. Raises :class:`ParameterError` naming the range."""
        word = " ".join(trigger.split())
        if len(word) > MAX_TRIGGER or not word.isprintable():
            raise ParameterError("trigger_word", limit=MAX_TRIGGER)
        return cls(word, int(REPEATS.check(repeats)))

    def steps_per_epoch(self, images: int, batch_size: int) -> int:
        """Optimiser steps of an epoch; the last, smaller batch counts."""
        return -(-images * self.repeats // batch_size)


def with_parameters(report: Report, parameters: Parameters) -> Report:
    """The report with what the trigger word brings about, in place of what a former one did."""
    findings = [finding for finding in report.findings if finding.code != "trigger_present"]
    notes = [note for note in report.notes if note.code != "trigger_prepended"]
    by_code = {code: count for code, count in report.by_code.items() if code != "trigger_present"}
    if parameters.trigger:
        added = _already_there(report.images, parameters.trigger)
        findings = sorted([*findings, *added], key=lambda finding: finding.place)
        notes.append(Note("trigger_prepended", {"trigger": parameters.trigger, "n": len(report.images)}))
        if added:
            by_code["trigger_present"] = len(added)
    return replace(report, findings=tuple(findings), by_code=by_code, notes=tuple(notes))


def _already_there(images: Sequence[Image], trigger: str) -> list[Finding]:
    # In Chinese a word has no borders; in English "cat" is not in "catalogue".
    border = r"(?<![0-9A-Za-z_]){}(?![0-9A-Za-z_])"
    word = re.compile(border.format(re.escape(trigger)), re.IGNORECASE)
    return [
        Finding.of(Problem("trigger_present", {"trigger": trigger}), image.number, image.file)
        for image in images
        if image.caption and word.search(image.caption)
    ]
