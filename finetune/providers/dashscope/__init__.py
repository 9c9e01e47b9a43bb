"""Alibaba Bailian (DashScope): upload, LoRA job, deployment by the token, chat through its compatible endpoint."""

from finetune.providers.dashscope.provider import DashScopeProvider

__all__ = ["DashScopeProvider"]
