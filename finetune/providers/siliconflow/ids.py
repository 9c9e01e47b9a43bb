"""Ids of models tuned at SiliconFlow: ``ft:LoRA/<base>:<account>:<task name>:<letters>``, a checkpoint's with
``-ckpt_step_<N>`` after it. Seen in many repositories; which characters a segment may have is not published.
"""

import re
from dataclasses import dataclass

from finetune.errors import ProviderError
from finetune.providers.tags import TAG

_ID = re.compile(
    r"ft:LoRA/(?P<base>[^:\s]+/[^:\s]+):(?P<account>[^:\s]+):(?P<task>[^:\s]+):(?P<serial>[A-Za-z0-9]+)"
    r"(?:-ckpt_step_(?P<step>\d+))?"
)


@dataclass(frozen=True, slots=True)
class ModelId:
    """A tuned model's id in its parts. ``step``: of a checkpoint, else None."""

    text: str
    base: str
    task: str
    step: int | None

    @classmethod
    def of(cls, text: str) -> "ModelId":
        """Raises :class:`ProviderError` ``bind_form``."""
        match = _ID.fullmatch(text.strip())
        if match is None:
            raise ProviderError("bind_form", id=text.strip()[:120])
        return cls(match[0], match["base"], match["task"], int(match["step"]) if match["step"] else None)

    @property
    def final(self) -> str:
        """The id without a checkpoint's ending."""
        return re.sub(r"-ckpt_step_\d+$", "", self.text)

    def must_be(self, base: str, tag: str) -> None:
        """Raise :class:`ProviderError` ``bind_base`` or ``bind_tag`` if it cannot be of this job.

        A name without any tag was typed by a person, who may have chosen another; one with another job's tag is not
        this job's.
        """
        if self.base != base:
            raise ProviderError("bind_base", id=self.text[:120], base=self.base, expected=base)
        found = TAG.findall(self.task)
        if found and tag not in found:
            raise ProviderError("bind_tag", id=self.text[:120], tag=", ".join(found), expected=tag)
