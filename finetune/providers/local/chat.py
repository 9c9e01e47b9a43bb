"""Chat templates: rendering as transformers does it, tokenising, and which tokens an assistant's turn has."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

Message = Mapping[str, str]


class UnstableTemplate(ValueError):
    """The template renders an earlier turn differently once more turns follow: masks would be wrong."""


class ChatTokenizer:
    """A tokenizer with its chat template: messages in, token ids out.

    ``specials`` are the template's variables (``bos_token``, ``eos_token``). ``end`` is the id that ends a turn.
    """

    def __init__(self, tokenizer: Tokenizer, template: str, specials: Mapping[str, str]) -> None:
        self.tokenizer = tokenizer
        self._specials = dict(specials)
        self.end = tokenizer.token_to_id(specials["eos_token"]) if "eos_token" in specials else None
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _refuse
        environment.filters["tojson"] = _as_json
        self.source = template
        self._template = environment.from_string(template)

    @classmethod
    def load(cls, folder: Path) -> "ChatTokenizer":
        """From a folder with Hugging Face files. Raises ``FileNotFoundError`` where there is no template."""
        settings: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        file = folder / "chat_template.jinja"
        template = file.read_text("utf-8") if file.is_file() else settings.get("chat_template")
        if not isinstance(template, str):
            raise FileNotFoundError(str(file))
        specials = {}
        for name in ("bos_token", "eos_token"):
            value = settings.get(name)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                specials[name] = text
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")), template, specials)

    def render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """The conversation as text; with ``prompt`` it ends where the assistant begins to speak."""
        return self._template.render(
            messages=[dict(message) for message in messages], add_generation_prompt=prompt, **self._specials
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text; markers in it become their special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def conversation(self, messages: Sequence[Message], *, prompt: bool = False) -> list[int]:
        """Token ids of a conversation."""
        return self.encode(self.render(messages, prompt=prompt))

    def masked(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """Token ids, and for each whether it belongs to an assistant's turn (its end marker included).

        Raises :class:`UnstableTemplate` when a turn's prefix is not a prefix of the whole.
        """
        whole = self.conversation(messages)
        mask = [False] * len(whole)
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self.conversation(messages[:index], prompt=True)
            after = self.conversation(messages[: index + 1])
            if whole[: len(after)] != after or after[: len(before)] != before:
                raise UnstableTemplate(f"turn {index}")
            end = len(after)
            if self.end is not None and self.end in after[len(before) :]:
                # What follows the end marker (a line break in most templates) is never generated.
                end = len(after) - after[::-1].index(self.end)
            mask[len(before) : end] = [True] * (end - len(before))
        return whole, mask


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _as_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
