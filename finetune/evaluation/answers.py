"""Answers as they come, each kept at once: a run that was broken off asks only what is missing."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from finetune.errors import FineTuneError
from finetune.evaluation.questions import Message, Question

BASE = "base"
PROMPTED = "prompted"
TUNED = "tuned"
CONTESTANTS = (BASE, PROMPTED, TUNED)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said. ``finish`` is the endpoint's word (``stop``, ``length``); tokens are None where not told."""

    text: str
    finish: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer of one contestant to one question (by its key)."""

    part: str
    contestant: str
    question: str
    text: str
    finish: str
    seconds: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


# A prompt and arguments of a chat completion in, an answer out. Raises ProviderUnavailable or ProviderError.
Ask = Callable[[Sequence[Message], Mapping[str, object]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to ask. ``part`` tells kinds of questions apart: ``held_out``, ``calibration``, ``general``."""

    part: str
    contestant: str
    question: Question
    prompt: Sequence[Message]
    sampling: Mapping[str, object]


class Answers:
    """The file of answers, one JSON object a line. One that was cut off or spoilt is no answer: it is asked again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[tuple[str, str, str], Kept] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        data = file.read_bytes() if file.is_file() else b""
        for line in data.splitlines(keepends=True):
            if line.endswith(b"\n") and (kept := _read(line)) is not None:
                self._found[kept.part, kept.contestant, kept.question] = kept
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with file.open("r+b") as opened:
                opened.truncate(whole)

    def __contains__(self, task: Task) -> bool:
        return (task.part, task.contestant, task.question.key) in self._found

    def __len__(self) -> int:
        return len(self._found)

    def add(self, kept: Kept) -> None:
        """Keep one, for good."""
        line = json.dumps(asdict(kept), ensure_ascii=False) + "\n"
        with self._file.open("ab") as file:
            file.write(line.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        self._found[kept.part, kept.contestant, kept.question] = kept

    def get(self, part: str, contestant: str, question: Question) -> Kept | None:
        """The answer to a question, if it was given."""
        return self._found.get((part, contestant, question.key))

    def of(self, part: str, contestant: str, questions: Iterable[Question]) -> list[Kept]:
        """The answers to these questions that are there, in their order."""
        found = (self.get(part, contestant, question) for question in questions)
        return [kept for kept in found if kept is not None]


def _read(line: bytes) -> Kept | None:
    try:
        return Kept(**json.loads(line))
    except (ValueError, TypeError):
        return None


async def _at_once() -> None:
    """Make way for nobody."""


async def collect(
    answers: Answers,
    tasks: Sequence[Task],
    ask: Ask,
    *,
    clock: Callable[[], float],
    at_once: int = 2,
    moved: Callable[[int, int], None] = lambda _done, _total: None,
    make_way: Callable[[], Awaitable[object]] = _at_once,
) -> None:
    """Ask what is missing, ``at_once`` at a time. Answers that came are kept, whatever ends this.

    ``clock`` gives seconds; ``make_way`` is awaited before each question. Raises what ``ask`` raises; nothing more is
    begun then.
    """
    missing = [task for task in tasks if task not in answers]
    done = len(tasks) - len(missing)
    queue = iter(missing)

    async def work() -> None:
        nonlocal done
        for task in queue:
            await make_way()
            began = clock()
            reply = await ask(task.prompt, task.sampling)
            seconds = clock() - began
            kept = Kept(
                task.part,
                task.contestant,
                task.question.key,
                reply.text,
                reply.finish,
                round(seconds, 3),
                reply.prompt_tokens,
                reply.completion_tokens,
            )
            await asyncio.to_thread(answers.add, kept)
            done += 1
            moved(done, len(tasks))

    moved(done, len(tasks))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(missing))):
                group.create_task(work())
    except* FineTuneError as errors:
        raise errors.exceptions[0] from None
