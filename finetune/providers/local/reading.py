"""What a job folder says, in the words of the provider protocol."""

import time
from typing import Any

from finetune.jobs import JobState
from finetune.providers.local.folder import JobFolder
from finetune.providers.provider import Failure, Status

_ENDS = {"succeeded": JobState.SUCCEEDED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}


def read_status(folder: JobFolder) -> Status:
    """How a job stands: its result if there is one, else whether its trainer lives and what it last said."""
    result = folder.result()
    if result is not None:
        return _ended(folder, result)
    # Whether it lives is asked first: a trainer that ends in between leaves its result before it dies.
    alive = folder.alive()
    result = folder.result()
    if result is not None:
        return _ended(folder, result)
    beat = folder.heartbeat() or {}
    if not alive:
        return _running(JobState.RUNNING, "lost", beat, lost=True)
    state = JobState.RUNNING if beat else JobState.QUEUED
    return _running(state, str(beat.get("phase", "starting")), beat, lost=False)


def _running(state: JobState, word: str, beat: dict[str, Any], *, lost: bool) -> Status:
    return Status(
        state=state,
        word=word,
        lost=lost,
        step=beat.get("step"),
        steps=beat.get("steps"),
        loss=beat.get("loss"),
        losses=_points(beat),
        tokens_per_second=beat.get("tokens_per_second"),
        seconds_left=None if lost else beat.get("seconds_left"),
        heartbeat_age=max(0.0, time.time() - beat["time"]) if beat else None,
        trained_tokens=beat.get("trained_tokens"),
    )


def _ended(folder: JobFolder, result: dict[str, Any]) -> Status:
    state = _ENDS[result["outcome"]]
    beat = folder.heartbeat() or {}
    failure = None
    if state is JobState.FAILED:
        fields = dict(result["failure"]["fields"])
        failure = Failure(result["failure"]["code"], fields, str(fields.pop("detail", "")))
    losses = _points(result) or _points(beat)
    held = result.get("validation_loss")
    succeeded = state is JobState.SUCCEEDED
    return Status(
        state=state,
        word=result["outcome"],
        step=result.get("steps") if succeeded else beat.get("step"),
        steps=result.get("steps") or beat.get("steps"),
        loss=losses[-1][1] if losses else None,
        losses=losses,
        tokens_per_second=result.get("tokens_per_second"),
        trained_tokens=result.get("trained_tokens", beat.get("trained_tokens")),
        validation_loss=(held[0], held[1]) if held else None,
        model=f"local:{folder.manifest()['slug']}:{folder.path.name}" if succeeded else None,
        failure=failure,
    )


def _points(source: dict[str, Any]) -> tuple[tuple[int, float], ...]:
    return tuple((int(step), float(loss)) for step, loss in source.get("losses") or ())
