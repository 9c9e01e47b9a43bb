"""A job's tag: short, of letters, digits and underscores, the same for a job always; it finds the job again."""

import re

TAG = re.compile(r"tt[0-9a-f]{10}")
_LONGEST_NAME = 40


def tag(key: str, attempt: int = 1) -> str:
    """The tag of an idempotency key (``job-`` and hexadecimal digits, or any key) and attempt."""
    digits = re.sub(r"[^0-9a-f]", "", key.removeprefix("job-"))
    stem = f"tt{digits[:10]:0<10}"
    return stem if attempt == 1 else f"{stem}a{attempt}"


def task_name(name: str, key: str, attempt: int = 1) -> str:
    """A name that carries the tag: ``[A-Za-z0-9_]`` only, at most 40 characters."""
    ending = f"_{tag(key, attempt)}"
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[: _LONGEST_NAME - len(ending)]
    return (plain.strip("_") or "tune") + ending
