"""What can be wrong with an image dataset: every kind of finding, with whether it stops a training."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune.datasets.findings import SHOWN_CHARACTERS, Severity, shown

_E, _W = Severity.ERROR, Severity.WARNING

# In the order in which several of one picture are told.
KINDS: Mapping[str, Severity] = {
    # The set as a whole.
    "too_many": _E,
    "few_images": _W,
    "captions_none": _W,
    "captions_not_english": _W,
    # A file that cannot be trained on.
    "file_damaged": _E,
    "not_image": _E,
    "type_unsupported": _E,
    "image_truncated": _E,
    "image_broken": _E,
    "image_too_big": _E,
    "image_heavy": _E,
    "image_animated": _E,
    # A picture that training changes or reads otherwise than people see it.
    "wrong_ending": _W,
    "color_cmyk": _W,
    "color_alpha": _W,
    "color_16bit": _W,
    "size_small": _W,
    "cropped_sides": _W,
    "cropped_ends": _W,
    "location": _W,
    "image_duplicate": _W,
    "image_near": _W,
    # Captions.
    "stem_twice": _W,
    "stem_ambiguous": _E,
    "caption_twice": _E,
    "caption_too_long": _E,
    "caption_bad_text": _E,
    "caption_missing": _W,
    "caption_empty": _W,
    "caption_converted": _W,
    "caption_tokens": _W,
    "caption_orphan": _W,
    "trigger_present": _W,
    "file_unused": _W,
}
_ORDER = {code: place for place, code in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding before its file is known."""

    code: str
    fields: Mapping[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    ``number`` is the picture's, 1-based, as on the contact sheet; None for the set as a whole and for files that are
    no pictures. ``file`` is the name as people know it, short; "" for the set. The sentence is ``image.<code>`` with
    ``fields``, which are short and safe to show.
    """

    severity: Severity
    number: int | None
    file: str
    code: str
    fields: Mapping[str, str | int]

    @classmethod
    def of(cls, problem: Problem, number: int | None = None, file: str = "") -> "Finding":
        """The finding of a problem at its file."""
        return cls(KINDS[problem.code], number, displayed(file), problem.code, dict(problem.fields or {}))

    @property
    def place(self) -> tuple[int, int, str]:
        """The order: the set as a whole, the pictures by number, files that are none."""
        outside = 0 if not self.file else 1 << 30
        return outside if self.number is None else self.number, _ORDER[self.code], self.file


def displayed(path: str) -> str:
    """The end of a path, which says more than its beginning, short and printable."""
    return shown(path if len(path) <= SHOWN_CHARACTERS else "…" + path[1 - SHOWN_CHARACTERS :])
