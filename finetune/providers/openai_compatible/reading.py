"""From a job as it is answered to a status."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.jobs import JobState
from finetune.providers.abilities import Checkpoint, Event
from finetune.providers.faults import shortened
from finetune.providers.profiles import Profile
from finetune.providers.provider import Failure, Status

_POINTS = 300


def status_of(
    profile: Profile, job: Mapping[str, Any], before: JobState, losses: Sequence[tuple[int, float]] = ()
) -> Status:
    """How a job stands. ``before``: the state last known, kept where a word is new to us."""
    word = str(job.get("status") or "")
    state = profile.state(word, before)
    steps, step = _whole(job.get("total_steps")), _whole(job.get("trained_steps"))
    if step is None and losses:
        step = losses[-1][0]
    failure = None
    if state is JobState.FAILED:
        error = job.get("error")
        error = error if isinstance(error, Mapping) else {}
        words = shortened(f"{error.get('code') or ''} {error.get('message') or ''}")
        failure = Failure("provider_failed", {"provider": profile.name, "reason": words or word}, words)
    return Status(
        state,
        word,
        step=step,
        steps=steps,
        loss=losses[-1][1] if losses else None,
        losses=tuple(losses),
        trained_tokens=_whole(job.get("trained_tokens")),
        failure=failure,
    )


def losses_of(events: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(step, training loss) of the events that tell some, in order of the steps."""
    found: dict[int, float] = {}
    for event in events:
        data = event.get("data")
        if not isinstance(data, Mapping):
            continue
        step = _whole(data.get("step", data.get("current_steps")))
        loss = data.get("train_loss", data.get("loss"))
        if step is not None and isinstance(loss, int | float):
            found[step] = float(loss)
    points = sorted(found.items())
    stride = max(1, len(points) // _POINTS)
    return points[::stride]


def events_of(rows: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Events, oldest first: they are listed newest first."""
    found = [
        Event(
            float(row["created_at"]) if isinstance(row.get("created_at"), int | float) else None,
            str(row.get("level") or "info"),
            str(row.get("message") or ""),
        )
        for row in rows
    ]
    return sorted(found, key=lambda event: event.at or 0.0)


def checkpoints_of(rows: Sequence[Mapping[str, Any]]) -> list[Checkpoint]:
    """Checkpoints, by step."""
    found = []
    for row in rows:
        metrics = row.get("metrics")
        metrics = metrics if isinstance(metrics, Mapping) else {}
        step = _whole(row.get("step_number", metrics.get("step")))
        if step is None:
            continue
        held_out = _number(metrics.get("full_valid_loss")) or _number(metrics.get("valid_loss"))
        model = str(row.get("fine_tuned_model_checkpoint") or "")
        found.append(Checkpoint(step, model, _number(metrics.get("train_loss")), held_out))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def is_ours(job: Mapping[str, Any], tag: str) -> bool:
    """Whether a listed job carries our tag, wherever the provider kept it."""
    metadata = job.get("metadata")
    kept = metadata.get("tuneteller") if isinstance(metadata, Mapping) else None
    if tag in (kept, job.get("request_id")):
        return True
    # At the end of the name: ``…_tt0123456789`` is not ``…_tt0123456789a2``.
    return str(job.get("suffix") or job.get("user_provided_suffix") or "").endswith(tag)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
