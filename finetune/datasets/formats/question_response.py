"""``Question``, ``Response`` and perhaps ``Complex_CoT``: what the tutorial converts, converted as it does.

A system prompt is put first, the question becomes the user's message and the response the assistant's. What becomes
of the reasoning in ``Complex_CoT`` is for a person to say: the tutorial drops it; a model that shall think aloud keeps
it in ``<think>`` before the answer.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from finetune.datasets.decode import Unreadable, decode
from finetune.datasets.formats.common import dropped_keys, not_object, rough_pair, text_problems
from finetune.datasets.formats.format import Message, Reading
from finetune.datasets.judge import is_suspicious, warnings_of

SYSTEM_PROMPT = "你是位精通八字算命、紫微斗数、风水、易经卦象、塔罗牌占卜、星象、面相手相和运势预测等方面的算命大师"
SPELLINGS = (("Question", "Response", "Complex_CoT"), ("question", "response", "complex_cot"))
WATCHED = tuple(key for spelling in SPELLINGS for key in spelling)
_COUNTED = tuple((b'"%b"' % question.encode(), b'"%b"' % response.encode()) for question, response, _ in SPELLINGS)


class QuestionResponse:
    """The fortune-telling dataset's shape; reasoning is left out, as the tutorial does it."""

    name = "question_response"
    rows_are_messages = False
    _of_reasoning = "cot_dropped"

    def __init__(self) -> None:
        self._met_reasoning = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the conversion did."""
        converted = ("question_response_converted", "system_prompt_added")
        return (*converted, self._of_reasoning) if self._met_reasoning else converted

    def matches(self, row: Mapping[str, Any]) -> bool:
        """An object with a question or a response by these names, unless another shape claims both."""
        return any(question in row and response in row for question, response, _ in SPELLINGS)

    def quick(self, row: bytes) -> list[Message] | None:
        """The messages when nothing has to be said."""
        try:
            value = orjson.loads(row)
            lower = "question" in value
            question_key, response_key, reasoning_key = SPELLINGS[lower]
            question, response = value[question_key], value[response_key]
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
            return None
        if type(question) is not str or type(response) is not str or type(value) is not dict:
            return None
        reasoned = len(value) == 3 and type(value.get(reasoning_key)) is str
        if not reasoned and len(value) != 2:
            return None
        first, second = _COUNTED[lower]
        if row.count(first) != 1 or row.count(second) != 1 or is_suspicious(question):
            return None
        if reasoned and row.count(b'"%b"' % reasoning_key.encode()) != 1:
            return None
        if b"\\u00" in row:
            return None
        reasoning = value[reasoning_key] if reasoned else ""
        if is_suspicious(self._answer(response, reasoning)):
            return None
        self._met_reasoning |= reasoned
        return _conversation(question, self._answer(response, reasoning))

    def careful(self, row: bytes) -> Reading:
        """Every problem of the row."""
        try:
            decoded = decode(row, WATCHED)
        except Unreadable as error:
            return Reading([error.problem])
        value, problems = decoded.value, decoded.problems
        if not isinstance(value, dict):
            return Reading([*problems, not_object(value)])
        spelling = SPELLINGS["Question" not in value and "Response" not in value]
        problems += text_problems(value, spelling[:2])
        if any(problem.is_error for problem in problems):
            return Reading(problems)
        reasoning = value.get(spelling[2])
        self._met_reasoning |= reasoning is not None
        answer = self._answer(value[spelling[1]], reasoning if isinstance(reasoning, str) else "")
        messages = _conversation(value[spelling[0]], answer)
        return Reading([*problems, *dropped_keys(value, spelling), *warnings_of(messages)], messages)

    def rough(self, value: Any) -> list[Any] | None:
        """The question and the response, as far as they are there."""
        if not isinstance(value, dict):
            return None
        spelling = SPELLINGS["Question" not in value and "Response" not in value]
        return rough_pair(value, *spelling[:2])

    def _answer(self, response: str, _reasoning: str) -> str:
        return response


class QuestionResponseThink(QuestionResponse):
    """The same with the reasoning kept, where a row has it."""

    name = "question_response_think"
    _of_reasoning = "cot_kept"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A row with reasoning that can be kept."""
        return super().matches(row) and any(row.get(reasoning) for _, _, reasoning in SPELLINGS)

    def _answer(self, response: str, reasoning: str) -> str:
        return f"<think>\n{reasoning}\n</think>\n\n{response}" if reasoning.strip() else response


def _conversation(question: str, response: str) -> list[Message]:
    return [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": question},
        {"role": "assistant", "content": response},
    ]
