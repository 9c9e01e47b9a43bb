"""Which mends there are, which findings each puts right, and which of them a report asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finetune.datasets.findings import KINDS, Severity
from finetune.datasets.report import Report

# Rows in which an error is left when everything else was done; never without being asked for.
LEAVE_OUT = "leave_out"

# Mends by name, each with the codes of the findings that it puts right.
FINDINGS: Mapping[str, tuple[str, ...]] = {
    "blank_lines": ("blank_line",),
    "text": (
        "byte_order_mark",
        "control_character",
        "lone_surrogate",
        "not_a_number",
        "trailing_comma",
        "missing_comma",
        "python_quotes",
        "bare_messages",
    ),
    "two_objects": ("two_objects",),
    "roles": ("role_alias",),
    "parts": ("content_parts",),
    "system_first": ("system_late", "system_twice"),
    "join": ("two_in_a_row",),
    "first_user": ("first_not_user",),
    "last_user": ("ends_with_user",),
    "empty": ("content_empty", "content_blank"),
    "special": ("special_token",),
    "duplicates": ("duplicate", "duplicate_row"),
    "line_ends": ("windows_lines",),
    "unify_system": ("system_varies",),
}
# Those that no finding asks for: they are wished for by name, some with a value.
BY_NAME = ("trim", "mask", "near_duplicates", "split_long", "system")
# "Mend all" does not choose a system prompt for everybody.
_NOT_OF_ALL = ("unify_system",)
NAMES = (*FINDINGS, *BY_NAME, LEAVE_OUT)


@dataclass(frozen=True, slots=True)
class Mend:
    """A mend that a report asks for, and how many findings it puts right."""

    name: str
    findings: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do.

    ``names`` are of :data:`NAMES`. ``system``: the prompt that ``system`` and ``unify_system`` give all rows.
    ``limit``: the tokens above which ``split_long`` splits a row.
    """

    names: tuple[str, ...]
    system: str = ""
    limit: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Wish":
        """The wish again. Raises ``ValueError`` for a name that does not exist."""
        names = tuple(data["names"])
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise ValueError(f"no such mend: {unknown[0]}")
        return cls(names, str(data.get("system", "")), int(data.get("limit", 0)))


def mends_of(report: Report) -> list[Mend]:
    """The mends that a report's findings ask for, in a fixed order, :data:`LEAVE_OUT` last.

    ``LEAVE_OUT`` is there when errors are left that nothing else puts right.
    """
    found = []
    for name, codes in FINDINGS.items():
        count = sum(report.by_code.get(code, 0) for code in codes)
        if count:
            found.append(Mend(name, count))
    left = sum(count for code, count in report.by_code.items() if _is_error(code) and not mendable(code))
    if left and report.good_rows + sum(mend.findings for mend in found):
        found.append(Mend(LEAVE_OUT, left))
    return found


def of_all(mends: Iterable[Mend]) -> tuple[str, ...]:
    """The names that "mend all" stands for: everything whose outcome nobody would dispute."""
    return tuple(mend.name for mend in mends if mend.name not in (*_NOT_OF_ALL, LEAVE_OUT))


def mendable(code: str) -> bool:
    """Whether a finding of this kind has a mend."""
    return any(code in codes for codes in FINDINGS.values())


def _is_error(code: str) -> bool:
    return KINDS[code].severity is Severity.ERROR
