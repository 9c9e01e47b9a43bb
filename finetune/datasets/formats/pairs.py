"""What the shapes of two columns share: one holds what is asked, the other what is answered."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.findings import Problem
from finetune.datasets.formats.common import dropped_keys, has_only, not_object, rough_pair, text_problems
from finetune.datasets.formats.format import Message, Reading
from finetune.datasets.judge import is_suspicious, warnings_of

Spelling = tuple[str, str]


class Pairs:
    """A row is one question and one answer, under keys that have several spellings, the preferred one first."""

    name: str
    rows_are_messages = False
    notes: tuple[str, ...]
    spellings: ClassVar[tuple[Spelling, ...]]

    def __init__(self) -> None:
        self._usual = self.spellings[0]  # as the file writes them

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Any object with both keys of a spelling."""
        return _complete(self._named(row), self._candidates(row)) is not None

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages when nothing has to be said."""
        try:
            value = orjson.loads(row)
            if type(value) is not dict or len(value) != 2:
                return None
            keys = self._usual
            if keys[0] not in value or keys[1] not in value:
                named = self._named(value)
                spelling = _complete(named, self._candidates(value))
                if spelling is None:
                    return None
                keys = named[spelling[0]], named[spelling[1]]
        except orjson.JSONDecodeError:
            return None
        question, answer = value[keys[0]], value[keys[1]]
        if (
            type(question) is not str
            or type(answer) is not str
            or is_suspicious(question)
            or is_suspicious(answer)
            or not has_only(row, 4)
        ):
            return None
        self._usual = keys
        return _conversation(question, answer)

    def careful(self, row: bytes) -> Reading:
        """Every problem of the row."""
        watched = [key for spelling in self.spellings for key in spelling]
        try:
            decoded = decode(row, watched)
            if isinstance(decoded.value, dict):
                # A key may be written in capitals in any way; which one, only the row says.
                unusual = [key for key in decoded.value if key not in watched and self._fold(key) in watched]
                decoded = decode(row, [*watched, *unusual]) if unusual else decoded
        except Unreadable as error:
            return Reading([error.problem])
        value, problems = decoded.value, decoded.problems
        if not isinstance(value, dict):
            return Reading([*problems, not_object(value)])
        keys = self._keys(value)
        problems += [
            Problem("duplicate_key", None, {"key": key})
            for key in value
            if key not in keys and self._fold(key) in map(self._fold, keys)
        ]
        problems += text_problems(value, keys)
        if any(problem.is_error for problem in problems):
            return Reading(problems)
        self._usual = keys
        messages = _conversation(value[keys[0]], value[keys[1]])
        return Reading([*problems, *dropped_keys(value, keys), *warnings_of(messages)], messages)

    def rough(self, value: Any) -> list[Any] | None:
        """The question and the answer, as far as they are there."""
        return rough_pair(value, *self._keys(value)) if isinstance(value, dict) else None

    def _keys(self, value: Mapping[str, Any]) -> Spelling:
        """The keys to read or, for those that are missing, to name: of the spelling of which most is there."""
        named = self._named(value)
        usual = self._fold(self._usual[0]), self._fold(self._usual[1])
        question, answer = max(
            self._candidates(value),
            key=lambda spelling: (sum(key in named for key in spelling), spelling == usual),
        )
        missing = dict(zip(usual, self._usual, strict=True)) if (question, answer) == usual else {}
        named = {question: question, answer: answer} | missing | named
        return named[question], named[answer]

    def _named(self, value: Mapping[str, Any]) -> dict[str, str]:
        """The keys by their plain spelling; of two that differ in capitals only, the first."""
        named: dict[str, str] = {}
        for key in value:
            named.setdefault(self._fold(key), key)
        return named

    def _fold(self, key: str) -> str:
        return key

    def _candidates(self, value: Mapping[str, Any]) -> Sequence[Spelling]:
        """The spellings that a row may have."""
        return self.spellings


def _complete(named: Mapping[str, str], candidates: Sequence[Spelling]) -> Spelling | None:
    return next((spelling for spelling in candidates if spelling[0] in named and spelling[1] in named), None)


def _conversation(question: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
