"""What a judging found out, as plain data that survives JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finetune.datasets.findings import Severity
from finetune.images.findings import Finding
from finetune.images.sizes import Change, Edge, Fit

FORMAT = "images"


@dataclass(frozen=True, slots=True)
class Image:
    """One picture. ``number`` is 1-based, as on the contact sheet and in the canonical form (``001.jpg``).

    ``kind`` is by content: ``jpeg``, ``png``, ``webp``, another for what cannot be trained on, "" for no picture.
    ``width`` and ``height`` are in pixels as people see it, orientation applied; 0 and no ``fit`` where unreadable.
    ``caption`` is at most the first 1,000 characters, None without one; ``tokens`` are estimated, of the whole.
    """

    number: int
    file: str
    kind: str
    bytes: int
    width: int
    height: int
    fit: Fit | None
    caption: str | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know that is nothing wrong. The sentence is ``image.note.<code>`` with ``fields``."""

    code: str
    fields: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Report:
    """A judged set of pictures.

    ``images``: at most the first 100, in the order of their names. ``images_total``: all. ``captions``: pictures that
    have one. ``total_bytes``: of pictures and captions, unpacked. ``size_classes``: pictures by what becomes of their
    size (``none``, ``scaled``, ``cropped``, ``enlarged``). ``sheets``: pages of the contact sheet. ``findings`` are
    at most 1,000, in the order of the pictures; ``by_code`` counts all.
    """

    images: tuple[Image, ...]
    images_total: int
    captions: int
    total_bytes: int
    size_classes: Mapping[str, int]
    sheets: int
    findings: tuple[Finding, ...]
    by_code: Mapping[str, int]
    notes: tuple[Note, ...]
    format: str = FORMAT

    @property
    def ok(self) -> bool:
        """Whether the set can be trained on: a readable picture, and no error anywhere."""
        return any(image.fit for image in self.images) and not self.errors

    @property
    def errors(self) -> int:
        """Findings that stop a training, of those that were kept."""
        return sum(1 for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def findings_total(self) -> int:
        """All findings, kept or not."""
        return sum(self.by_code.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values only; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Report":
        """The report again. Raises ``TypeError`` or ``KeyError`` for anything else."""
        return cls(
            **{
                **data,
                "images": tuple(_image(image) for image in data["images"]),
                "findings": tuple(
                    Finding(**{**finding, "severity": Severity(finding["severity"])}) for finding in data["findings"]
                ),
                "notes": tuple(Note(**note) for note in data["notes"]),
            }
        )


def size_classes(images: tuple[Image, ...]) -> dict[str, int]:
    """Pictures by what becomes of their size, every class named."""
    found = dict.fromkeys((change.value for change in Change), 0)
    for image in images:
        if image.fit:
            found[image.fit.change.value] += 1
    return found


def _image(data: Mapping[str, Any]) -> Image:
    size = data["fit"]
    return Image(**{**data, "fit": Fit(**{**size, "edge": Edge(size["edge"])}) if size else None})
