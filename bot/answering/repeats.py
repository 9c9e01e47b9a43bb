"""Recognises a model that repeats itself without end; evaluation asks the same (:mod:`finetune.repeats`)."""

from finetune.repeats import repeats

__all__ = ["repeats"]
