"""What can be wrong with a dataset: every kind of finding, with its rule.

R1 to R7 are the seven rules of chat fine-tuning, in the order in which the provider prints them:

====  ==========================================================================
R1    each line is one JSON object
R2    it has ``messages``, an array that is not empty
R3    each message has ``role`` and ``content``
R4    the role is system, user or assistant
R5    a system message stands first
R6    the first message after it is the user's
R7    user and assistant alternate, in pairs, at least one
====  ==========================================================================

Warnings do not stop a training, but somebody should know:

====  ==========================================================================
W1    a content is empty
W2    a content is only white space
W3    keys that training does not know are dropped
W4    a content holds text that a tokenizer may take for a special token
W5    a content holds a placeholder that nobody filled
W6    the same conversation was there before
W7    lines end the Windows way
W8    the file's name says one thing, its content another
W9    very few rows
W10   the system prompt varies
W11   the text was not UTF-8 and was converted
W12   a byte order mark was taken off
====  ==========================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SHOWN_CHARACTERS = 60


class Severity(StrEnum):
    """Whether a finding stops a training."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Kind:
    """What all findings of one code share."""

    rule: str
    mendable: bool = False

    @property
    def severity(self) -> Severity:
        """Errors are those against the seven rules."""
        return Severity.ERROR if self.rule.startswith("R") else Severity.WARNING


KINDS: Mapping[str, Kind] = {
    "not_json": Kind("R1"),
    "incomplete": Kind("R1"),
    "blank_line": Kind("R1", mendable=True),
    "byte_order_mark": Kind("R1", mendable=True),
    "bad_text": Kind("R1"),
    "control_character": Kind("R1", mendable=True),
    "lone_surrogate": Kind("R1", mendable=True),
    "not_a_number": Kind("R1", mendable=True),
    "too_deep": Kind("R1"),
    "too_long": Kind("R1"),
    "trailing_comma": Kind("R1", mendable=True),
    "missing_comma": Kind("R1", mendable=True),
    "two_objects": Kind("R1", mendable=True),
    "text_after": Kind("R1"),
    "python_quotes": Kind("R1", mendable=True),
    "not_object": Kind("R1"),
    "bare_messages": Kind("R1", mendable=True),
    "duplicate_key": Kind("R1"),
    "array_unclosed": Kind("R1"),
    "cells_too_many": Kind("R1"),
    "cell_bad_text": Kind("R1"),
    "messages_missing": Kind("R2"),
    "messages_not_list": Kind("R2"),
    "messages_empty": Kind("R2"),
    "turns_missing": Kind("R2"),
    "turns_empty": Kind("R2"),
    "value_not_list": Kind("R2"),
    "message_not_object": Kind("R3"),
    "role_missing": Kind("R3"),
    "content_missing": Kind("R3"),
    "content_null": Kind("R3"),
    "content_not_text": Kind("R3"),
    "content_parts": Kind("R3", mendable=True),
    "value_missing": Kind("R3"),
    "value_not_text": Kind("R3"),
    "history_not_pair": Kind("R3"),
    "role_unknown": Kind("R4"),
    "role_tool": Kind("R4"),
    "role_alias": Kind("R4", mendable=True),
    "role_not_text": Kind("R4"),
    "system_late": Kind("R5", mendable=True),
    "system_twice": Kind("R5", mendable=True),
    "first_not_user": Kind("R6", mendable=True),
    "two_in_a_row": Kind("R7", mendable=True),
    "ends_with_user": Kind("R7", mendable=True),
    "no_pair": Kind("R7"),
    "content_empty": Kind("W1", mendable=True),
    "content_blank": Kind("W2", mendable=True),
    "extra_keys": Kind("W3"),
    "extra_message_keys": Kind("W3"),
    "special_token": Kind("W4", mendable=True),
    "placeholder": Kind("W5"),
    "duplicate": Kind("W6", mendable=True),
    "duplicate_row": Kind("W6", mendable=True),
    "windows_lines": Kind("W7", mendable=True),
    "json_holds_lines": Kind("W8"),
    "lines_hold_json": Kind("W8"),
    "few_rows": Kind("W9"),
    "system_varies": Kind("W10", mendable=True),
    "converted_text": Kind("W11"),
    "mark_taken_off": Kind("W12"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding before its place in the file is known. ``message`` is the 0-based index in ``messages``."""

    code: str
    message: int | None = None
    fields: Mapping[str, str] | None = None

    @property
    def is_error(self) -> bool:
        """Whether it breaks one of the seven rules."""
        return KINDS[self.code].severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    ``line`` is 1-based, in the file as uploaded (an element of an array: the line where it begins; the file as a
    whole: 1); ``row`` the 1-based element of an array; ``message`` the 0-based index in ``messages``. The sentence
    is ``finding.<code>`` with ``fields``, which are short and safe to show.
    """

    rule: str
    severity: Severity
    line: int
    row: int | None
    message: int | None
    code: str
    fields: Mapping[str, str]
    mendable: bool

    @classmethod
    def at(cls, problem: Problem, line: int, row: int | None = None) -> "Finding":
        """The finding of a problem at its place."""
        kind = KINDS[problem.code]
        fields = dict(problem.fields or {})
        return cls(kind.rule, kind.severity, line, row, problem.message, problem.code, fields, kind.mendable)

    @property
    def place(self) -> tuple[int, int, int]:
        """The order in the file."""
        return self.line, self.row or 0, -1 if self.message is None else self.message


def shown(piece: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A piece of a person's text, short and without anything that does not print."""
    cut = piece if len(piece) <= limit else piece[: limit - 1] + "…"
    return "".join(letter if letter.isprintable() else "�" for letter in cut)


def kind_of(value: object) -> str:
    """What a JSON value is, in JSON's own words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true/false"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
