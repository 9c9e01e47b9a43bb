"""The seven rules and the warnings on one row's messages, said in full."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from finetune.datasets.findings import Problem, kind_of, shown

ROLES = ("system", "user", "assistant")
MAX_PROBLEMS = 32  # of one row; the thousandth tells nobody anything

_ALIASES = {
    "human": "user",
    "customer": "user",
    "question": "user",
    "用户": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "answer": "assistant",
    "助手": "assistant",
    "developer": "system",
    "系统": "system",
}
_TOOL_ROLES = frozenset(("tool", "tools", "function", "function_call", "function_response", "observation", "ipython"))
# Marks of chat templates and vocabularies; <｜…｜> is how DeepSeek writes its own.
_SPECIAL = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:bos|eos|pad|start_of_turn|end_of_turn)>"
)
_PLACEHOLDER = re.compile(r"\{\{\s*[\w.\- ]{1,40}\s*\}\}")


def problems_of(row: object) -> list[Problem]:
    """Everything that breaks the rules in ``{"messages": […]}``, in the order of the messages."""
    if not isinstance(row, dict):
        return [_not_object(row)]
    if "messages" not in row:
        return [Problem("messages_missing", None, {"keys": shown(", ".join(row)) or "–"})]
    messages = row["messages"]
    if not isinstance(messages, list):
        return [Problem("messages_not_list", None, {"kind": kind_of(messages)})]
    if not messages:
        return [Problem("messages_empty")]
    return list(islice(_in_messages(messages), MAX_PROBLEMS))


def _not_object(row: object) -> Problem:
    if isinstance(row, list) and row and all(isinstance(item, dict) and "role" in item for item in row):
        return Problem("bare_messages")
    return Problem("not_object", None, {"kind": kind_of(row)})


def _in_messages(messages: Sequence[object]) -> Iterator[Problem]:
    for index, message in enumerate(messages):
        if isinstance(message, dict):
            yield from _role(index, message)
            yield from _content(index, message)
        else:
            yield Problem("message_not_object", index, {"kind": kind_of(message)})
    yield from _order([_known_role(message) for message in messages])


def _known_role(message: object) -> str | None:
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) and role in ROLES else None


def _role(index: int, message: Mapping[str, Any]) -> Iterator[Problem]:
    if "role" not in message:
        yield Problem("role_missing", index, {"keys": shown(", ".join(message)) or "–"})
        return
    role = message["role"]
    if not isinstance(role, str):
        yield Problem("role_not_text", index, {"kind": kind_of(role)})
    elif role not in ROLES:
        meant = meant_role(role)
        if meant != role:
            yield Problem("role_alias", index, {"role": shown(role), "meant": meant})
        else:
            tool = role.strip().lower() in _TOOL_ROLES
            yield Problem("role_tool" if tool else "role_unknown", index, {"role": shown(role)})


def meant_role(role: Any) -> Any:
    """The rules' name of a role under another one (``human``, ``GPT``, ``用户``); anything else as it is."""
    if not isinstance(role, str):
        return role
    plain = role.strip().lower()
    return plain if plain in ROLES else _ALIASES.get(plain, role)


def without_special(content: str) -> str:
    """Without what :data:`special_token` findings are about, also where taking one out makes another."""
    while (cut := _SPECIAL.sub("", content)) != content:
        content = cut
    return content


def _content(index: int, message: Mapping[str, Any]) -> Iterator[Problem]:
    if "content" not in message:
        yield Problem("content_missing", index, {"keys": shown(", ".join(message)) or "–"})
        return
    content = message["content"]
    if content is None:
        yield Problem("content_null", index)
    elif isinstance(content, list):
        yield Problem("content_parts", index)
    elif not isinstance(content, str):
        yield Problem("content_not_text", index, {"kind": kind_of(content)})


def _order(roles: Sequence[str | None]) -> Iterator[Problem]:
    """Rules 5 to 7. A message without a known role has its own finding; nothing is concluded across it."""
    for index, role in enumerate(roles):
        if role == "system" and index > 0:
            yield Problem("system_twice" if roles[0] == "system" else "system_late", index)
    turns = [(index, role) for index, role in enumerate(roles) if role != "system"]
    if not turns:
        yield Problem("no_pair")
        return
    if turns[0][1] == "assistant":
        yield Problem("first_not_user", turns[0][0])
    for (_, before), (index, role) in pairwise(turns):
        if role is not None and role == before:
            yield Problem("two_in_a_row", index, {"role": role})
    spoken = [role for _, role in turns]
    if spoken[-1] == "user":
        yield Problem("ends_with_user", turns[-1][0])
    elif None not in spoken and "user" not in spoken:
        yield Problem("no_pair")


def warnings_of(messages: Sequence[Mapping[str, str]]) -> Iterator[Problem]:
    """What is worth a look in messages that break no rule; the first of a kind in each row."""
    found: dict[str, Problem] = {}
    for index, message in enumerate(messages):
        for problem in _in_content(index, message["role"], message["content"]):
            found.setdefault(problem.code, problem)
    yield from found.values()


def _in_content(index: int, role: str, content: str) -> Iterator[Problem]:
    if not content:
        yield Problem("content_empty", index, {"role": role})
    elif content.isspace():
        yield Problem("content_blank", index, {"role": role})
    if match := _SPECIAL.search(content):
        yield Problem("special_token", index, {"piece": shown(match[0])})
    if match := _PLACEHOLDER.search(content):
        yield Problem("placeholder", index, {"piece": shown(match[0])})


def is_suspicious(content: str) -> bool:
    """A quick look: False only when :func:`warnings_of` has nothing to say about this content."""
    # Single characters are found many times faster than longer pieces.
    return (
        not content
        or "<" in content
        or content.isspace()
        or ("{" in content and "{{" in content)
        or ("[" in content and "INST]" in content)
    )
