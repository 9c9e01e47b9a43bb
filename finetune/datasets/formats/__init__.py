"""The shapes that rows come in, one file each. A new one is added to :data:`FORMATS`, in the order of preference."""

from collections.abc import Callable, Mapping

from finetune.datasets.formats.alpaca import Alpaca
from finetune.datasets.formats.format import DatasetFormat, Message, Reading
from finetune.datasets.formats.messages import Messages
from finetune.datasets.formats.prompt_completion import PromptCompletion
from finetune.datasets.formats.question_answer import QuestionAnswer
from finetune.datasets.formats.question_response import QuestionResponse, QuestionResponseThink
from finetune.datasets.formats.sharegpt import ShareGPT

# Whole conversations come before single questions, and names that say more before those that say less.
FORMATS: Mapping[str, Callable[[], DatasetFormat]] = {
    Messages.name: Messages,
    ShareGPT.name: ShareGPT,
    Alpaca.name: Alpaca,
    QuestionResponse.name: QuestionResponse,
    QuestionResponseThink.name: QuestionResponseThink,
    PromptCompletion.name: PromptCompletion,
    QuestionAnswer.name: QuestionAnswer,
}

__all__ = [
    "FORMATS",
    "Alpaca",
    "DatasetFormat",
    "Message",
    "Messages",
    "PromptCompletion",
    "QuestionAnswer",
    "QuestionResponse",
    "QuestionResponseThink",
    "Reading",
    "ShareGPT",
]
