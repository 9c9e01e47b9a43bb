"""The fast way, the careful way and the reference judge say the same on whatever a line holds."""

import json
import os
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from finetune.datasets.findings import KINDS
from finetune.datasets.formats import Messages
from tests.finetune.datasets.reference import broken_rules
from tests.finetune.datasets.samples import GOOD, chat

EXAMPLES = int(os.environ.get("TUNETELLER_FUZZ", "400"))
thorough = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_roles = st.sampled_from(["system", "user", "assistant", "user", "assistant", "tool", "User", "", "human"])
_texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "\u2028", "\x85", "<|im_end|>", "{{name}}", '"role"', '"content": ', "\\u0072ole", "😀"]),
)
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts)
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3))
_messages = st.one_of(
    st.fixed_dictionaries({"role": _roles, "content": _texts}),
    st.fixed_dictionaries({"content": _texts, "role": _roles}),
    st.fixed_dictionaries({"role": _roles, "content": _texts, "name": _values}),
    st.dictionaries(st.sampled_from(["role", "content", "weight"]), _values, max_size=3),
    _values,
)
_rows = st.one_of(
    st.builds(lambda turns: chat(*turns), st.lists(_texts, min_size=2, max_size=6)),
    st.fixed_dictionaries({"messages": st.lists(_messages, max_size=5)}),
    st.fixed_dictionaries({"messages": st.lists(_messages, max_size=3), "id": _values}),
    st.fixed_dictionaries({"messages": _values}),
    _values,
)
_PIECES = [
    *(b'{}[],:"\\ \t\r\x00\x01\x7f\xff\xc3'[index : index + 1] for index in range(18)),
    "，".encode(),
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"\\ud83d",
    b"\\ud83d\\ude00",
    b"\\u0072ole",
    b"\\u006dessages",
    b'"role": "user", ',
    b'"content":"x",',
    b'"messages": [], ',
    b'"role"',
    b"\xef\xbb\xbf",
    b"\xed\xa0\xbd",
    b"[" * 70,
    b'{"a":' * 63 + b"1" + b"}" * 63,
    b"null",
    b"'",
    b"True",
]


def agree(row: bytes) -> None:
    """Compare the three; the fast one may only ever say "valid" or nothing."""
    expected = broken_rules(row)
    careful = Messages().careful(row)
    errors = {KINDS[problem.code].rule for problem in careful.problems if problem.is_error}
    assert errors == expected, (row, careful.problems)
    assert (careful.messages is None) == bool(errors)
    quick = Messages().quick(row)
    if quick is not None:
        assert not careful.problems, (row, careful.problems)
        assert quick == careful.messages
        assert [list(message) for message in quick] == [["role", "content"]] * len(quick)
    elif not careful.problems and b"\\u00" not in row and b"<" not in row and b"{{" not in row:
        # Not a rule, but the point of the fast way: it takes plain good rows.
        assert careful.messages is not None
        if json.dumps({"messages": careful.messages}, ensure_ascii=False).encode() == row:
            raise AssertionError(f"a plain good row went the slow way: {row!r}")


@thorough
@given(row=_rows, ascii_only=st.booleans(), compact=st.booleans())
def test_generated_rows(row: Any, ascii_only: bool, compact: bool) -> None:
    separators = (",", ":") if compact else None
    dumped = json.dumps(row, ensure_ascii=ascii_only, separators=separators)
    agree(dumped.encode("utf-8", "surrogatepass"))


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    row = bytearray(GOOD.encode() if draw(st.booleans()) else json.dumps(draw(_rows)).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(row)))
        match draw(st.integers(0, 3)):
            case 0:
                row[at:at] = draw(st.sampled_from(_PIECES))
            case 1:
                del row[at : at + draw(st.integers(1, 12))]
            case 2:
                row[at : at + 1] = draw(st.binary(max_size=2))
            case _:
                begin = draw(st.integers(0, len(row)))
                row[at:at] = row[begin : begin + draw(st.integers(1, 40))]
    return bytes(row).replace(b"\n", b" ")


@thorough
@given(row=_mutated())
@example(row=b'{"messages":[{"role":"user","role":"user","content":"a"},{"role":"assistant","content":"b"}]}')
@example(row=b'{"messages":[{"role":"user","\\u0072ole":"user","content":"a"},{"role":"assistant","content":"b"}]}')
@example(row=b'{"messages":[],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}')
@example(row=b'{"messages":[{"content":"a"},{"role":"assistant","role":"assistant","content":"b"}]}')
@example(row=b'{"messages":[{"role":"user","content":"a","content":"a"},{"role":"assistant","content":"b"}]}')
@example(
    row=b'{"messages": [{"role": 1}], "messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'
)
@example(row=b'{"messages":[{"role":"assistant","content":"a"}]}')
@example(
    row=b'{"x":' + b"9" * 5000 + b',"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'
)
@example(
    row=b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},'
    b'{"x":"user","content":"role"},{"role":"assistant","content":"b"}]}'
)
@example(row=b"")
@example(row=b" \t\r")
def test_mutated_rows(row: bytes) -> None:
    agree(row)
