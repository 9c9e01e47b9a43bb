"""Training and serving on this machine: torch and llama.cpp, each in a process of its own.

Importing this package is cheap: torch, transformers and xllamacpp are imported in the child processes only.
"""

from finetune.providers.local.provider import LocalProvider

__all__ = ["LocalProvider"]
