"""Conversations that break a rule in a way that has one sensible remedy. Pure functions on lists of messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finetune.datasets.judge import ROLES, meant_role, without_special

Messages = list[Any]


def named_roles(messages: Messages) -> Messages:
    """``human`` and ``gpt`` and their like under the rules' names."""
    return [_with(message, "role", meant_role(_get(message, "role"))) for message in messages]


def joined_parts(messages: Messages) -> Messages:
    """Lists of text parts as one text, which is empty for an empty list; a list with anything else in it stays."""
    return [_with(message, "content", _text_of(_get(message, "content"))) for message in messages]


def system_first(messages: Messages) -> Messages:
    """All that system messages say, in one at the beginning, each thing once."""
    prompts = [message for message in messages if _get(message, "role") == "system"]
    if not all(isinstance(_get(message, "content"), str) for message in prompts):
        return messages
    texts = list(dict.fromkeys(message["content"] for message in prompts if message["content"].strip()))
    others = [message for message in messages if _get(message, "role") != "system"]
    return [{"role": "system", "content": "\n\n".join(texts)}, *others] if texts else others


def joined_turns(messages: Messages) -> Messages:
    """Two messages of one speaker in a row as one."""
    joined: Messages = []
    for message in messages:
        before = joined[-1] if joined else None
        if (
            before is not None
            and _get(message, "role") in ("user", "assistant")
            and _get(before, "role") == _get(message, "role")
            and isinstance(_get(before, "content"), str)
            and isinstance(_get(message, "content"), str)
        ):
            joined[-1] = {**before, "content": f"{before['content']}\n{message['content']}"}
        else:
            joined.append(message)
    return joined


def from_first_user(messages: Messages) -> Messages:
    """Without what an assistant says before anybody asked."""
    begin = _prompts(messages)
    rest = messages[begin:]
    while rest and _get(rest[0], "role") == "assistant":
        rest = rest[1:]
    return [*messages[:begin], *rest]


def to_last_answer(messages: Messages) -> Messages:
    """Without questions at the end that nobody answers."""
    end = len(messages)
    while end and _get(messages[end - 1], "role") == "user":
        end -= 1
    return messages[:end]


def without_empty(messages: Messages) -> Messages:
    """Without a question or an answer that says nothing, and without the other half of that turn."""
    begin = _prompts(messages)
    kept = [message for message in messages[:begin] if not _is_blank(message)]
    turns = messages[begin:]
    for question, answer in zip(turns[::2], turns[1::2], strict=False):
        if not _is_blank(question) and not _is_blank(answer):
            kept += [question, answer]
    return kept if len(kept) > _prompts(kept) else []


def without_marks(messages: Messages) -> Messages:
    """Without text that a tokenizer may take for one of its own marks."""
    return [
        _with(message, "content", without_special(content) if isinstance(content, str) else content)
        for message in messages
        for content in (_get(message, "content"),)
    ]


def trimmed(messages: Messages) -> Messages:
    """Without white space around what is said."""
    return [{**message, "content": message["content"].strip()} for message in messages]


def with_system(messages: Messages, prompt: str) -> Messages:
    """With this system prompt, whatever there was before; with none for an empty one."""
    others = messages[_prompts(messages) :]
    return [{"role": "system", "content": prompt}, *others] if prompt else others


# In the order in which they are done: a role has to be known before an order can be seen.
CONVERSATIONS: Mapping[str, Callable[[Messages], Messages]] = {
    "roles": named_roles,
    "parts": joined_parts,
    "system_first": system_first,
    "first_user": from_first_user,
    "last_user": to_last_answer,
    "join": joined_turns,
    "special": without_marks,
    "empty": without_empty,
}


def _get(message: Any, key: str) -> Any:
    return message.get(key) if isinstance(message, dict) else None


def _with(message: Any, key: str, value: Any) -> Any:
    return {**message, key: value} if isinstance(message, dict) and key in message else message


def _text_of(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    texts = [part if isinstance(part, str) else _get(part, "text") for part in content]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else content


def _prompts(messages: Sequence[Any]) -> int:
    return 1 if messages and _get(messages[0], "role") == "system" else 0


def _is_blank(message: Any) -> bool:
    content = _get(message, "content")
    return isinstance(content, str) and not content.strip() and _get(message, "role") in ROLES
