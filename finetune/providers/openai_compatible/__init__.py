"""Whoever speaks OpenAI's fine-tuning shape, through the ``openai`` SDK: a profile tells what differs."""

from finetune.providers.openai_compatible.provider import OpenAICompatibleProvider

__all__ = ["OpenAICompatibleProvider"]
