"""Every kind of finding can come up, and every one has its sentence in both languages."""

import string
from collections.abc import Callable

import pytest

from bot.locales import LANGUAGES, catalogue, translator
from finetune.datasets.findings import KINDS, Severity
from finetune.datasets.report import Report
from tests.finetune.datasets.samples import GOOD, among_good, chat, good, line, text

Judge = Callable[..., Report]


def _messages(*messages: object) -> bytes:
    return among_good(line({"messages": list(messages)}))


_S, _U, _A = ({"role": role, "content": "话"} for role in ("system", "user", "assistant"))
_ARRAY = b",\n".join(good())
_QA = [line({"Question": f"问{index}", "Response": "答"}) for index in range(12)]
_SPOKEN = [
    line({"conversations": [{"from": "human", "value": f"问{index}"}, {"from": "gpt", "value": "答"}]})
    for index in range(12)
]
_INSTRUCTED = [line({"instruction": f"问{index}", "output": "答"}) for index in range(12)]

FILES = {
    "not_json": among_good(b'{"messages" = []}'),
    "incomplete": among_good(GOOD.encode()[:-1]),
    "blank_line": among_good(b"", GOOD.encode()),
    "byte_order_mark": b"\xef\xbb\xbf" + text(*good()),
    "bad_text": among_good(b'{"messages": "\xff"}'),
    "control_character": among_good(GOOD.replace("带", "\x07").encode()),
    "lone_surrogate": among_good(GOOD.replace("带", "\\ud800").encode()),
    "not_a_number": among_good(b'{"messages": NaN}'),
    "too_deep": among_good(b"[" * 65 + b"]" * 65),
    "too_long": among_good(b" " * ((16 << 20) + 1)),
    "trailing_comma": among_good(GOOD.encode() + b","),
    "missing_comma": b"[" + _ARRAY + GOOD.encode() + b"]",
    "two_objects": among_good(GOOD.encode() * 2),
    "text_after": among_good(GOOD.encode() + b"]"),
    "python_quotes": among_good(b"{'messages': []}"),
    "not_object": among_good(b'"messages"'),
    "bare_messages": among_good(line([_U, _A])),
    "duplicate_key": among_good(b'{"messages": [], "messages": []}'),
    "array_unclosed": b"[" + _ARRAY,
    "cells_too_many": b"question,answer\n" + b"q,a\n" * 12 + b"q,a,more\n",
    "cell_bad_text": b"question,answer\n" + b"q,a\n" * 12 + b"q,\xff\n",
    "turns_missing": text(*_SPOKEN, b'{"text": "x"}'),
    "turns_empty": text(*_SPOKEN, b'{"conversations": []}'),
    "value_not_list": text(*_SPOKEN, b'{"conversations": "x"}'),
    "history_not_pair": text(*_INSTRUCTED, b'{"instruction": "x", "output": "y", "history": [["a"]]}'),
    "messages_missing": among_good(b'{"text": "x"}'),
    "messages_not_list": among_good(b'{"messages": {}}'),
    "messages_empty": among_good(b'{"messages": []}'),
    "message_not_object": _messages(_U, "x"),
    "role_missing": _messages(_U, {"content": "x"}),
    "content_missing": _messages(_U, {"role": "assistant"}),
    "content_null": _messages(_U, {"role": "assistant", "content": None}),
    "content_not_text": _messages(_U, {"role": "assistant", "content": 1.5}),
    "content_parts": _messages(_U, {"role": "assistant", "content": []}),
    "value_missing": text(*_QA, b'{"Question": "x"}'),
    "value_not_text": text(*_QA, b'{"Question": "x", "Response": ["y"]}'),
    "role_unknown": _messages(_U, {"role": "wizard", "content": "x"}),
    "role_tool": _messages(_U, {"role": "observation", "content": "x"}),
    "role_alias": _messages({"role": "human", "content": "x"}, _A),
    "role_not_text": _messages({"role": 1, "content": "x"}, _A),
    "system_late": _messages(_U, _S, _A),
    "system_twice": _messages(_S, _S, _U, _A),
    "first_not_user": _messages(_A, _U, _A),
    "two_in_a_row": _messages(_U, _U, _A),
    "ends_with_user": _messages(_U, _A, _U),
    "no_pair": _messages(_S),
    "content_empty": among_good(line(chat("", "答"))),
    "content_blank": among_good(line(chat("  ", "答"))),
    "extra_keys": among_good(line({**chat("问", "答"), "id": 1})),
    "extra_message_keys": _messages({**_U, "name": "x"}, _A),
    "special_token": among_good(line(chat("<|im_start|>", "答"))),
    "placeholder": among_good(line(chat("{{name}}", "答"))),
    "duplicate": among_good(good()[0]),
    "duplicate_row": b"[" + _ARRAY + b"," + good()[3] + b"]",
    "windows_lines": text(*good()).replace(b"\n", b"\r\n"),
    "json_holds_lines": text(*good()),
    "lines_hold_json": b"[" + _ARRAY + b"]",
    "few_rows": text(*good(3)),
    "system_varies": among_good(line(chat("问", "答", system=None))),
    "converted_text": text(*good()).decode().encode("utf-16"),
    "mark_taken_off": b"\xef\xbb\xbf[" + _ARRAY + b"]",
}
NAMES = {"json_holds_lines": "data.json", "array_unclosed": "data.json", "missing_comma": "data.json"}


def test_there_is_a_file_for_every_code() -> None:
    assert FILES.keys() == KINDS.keys()


@pytest.mark.parametrize("code", KINDS)
def test_the_code_comes_up_and_can_be_said(judged: Judge, code: str) -> None:
    report = judged(FILES[code], NAMES.get(code, "data.jsonl"))
    found = [finding for finding in report.findings if finding.code == code]
    assert found, report.findings
    finding = found[0]
    assert (finding.rule, finding.severity, finding.mendable) == (
        KINDS[code].rule,
        KINDS[code].severity,
        KINDS[code].mendable,
    )
    assert report.ok == all(one.severity is Severity.WARNING for one in report.findings)
    for value in finding.fields.values():
        assert len(value) <= 80
        assert value.isprintable()
    for language in LANGUAGES:
        sentence = translator(language)(f"finding.{code}", **finding.fields)
        assert "!" not in sentence
        assert "！" not in sentence
        wanted = {name for _, name, _, _ in string.Formatter().parse(_template(language, code)) if name}
        assert wanted == set(finding.fields), "a field that is not used, or one that is missing"


def _template(language: str, code: str) -> str:
    message = catalogue(language).get(f"finding.{code}")
    assert message is not None
    assert isinstance(message.string, str)
    return message.string


def test_rules_come_in_the_order_of_the_specification() -> None:
    rules = list(dict.fromkeys(kind.rule for kind in KINDS.values()))
    assert rules == [f"R{number}" for number in range(1, 8)] + [f"W{number}" for number in range(1, 13)]
