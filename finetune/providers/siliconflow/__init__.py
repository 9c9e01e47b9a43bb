"""SiliconFlow: an operator starts the job in its console, everything else is done from here."""

from finetune.providers.siliconflow.provider import SiliconFlowProvider

__all__ = ["SiliconFlowProvider"]
