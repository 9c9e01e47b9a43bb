"""The shapes that rows come in, one file each. A new one is added to :data:`FORMATS`, in the order of preference."""

from collections.abc import Callable, Mapping

from finetune.datasets.formats.format import DatasetFormat, Message, Reading
from finetune.datasets.formats.messages import Messages
from finetune.datasets.formats.question_response import QuestionResponse

FORMATS: Mapping[str, Callable[[], DatasetFormat]] = {
    Messages.name: Messages,
    QuestionResponse.name: QuestionResponse,
}

__all__ = ["FORMATS", "DatasetFormat", "Message", "Messages", "QuestionResponse", "Reading"]
