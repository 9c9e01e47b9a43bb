"""Nebius' own step after a job: ``POST /v0/models`` makes its last checkpoint a model that answers.

[P] token-factory-cookbook@dcce0cb. Whether ``GET /v0/models`` lists what was made is assumption OC5; where it does not,
the name that was answered is in a note.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.jobs import JobState
from finetune.providers.faults import odd, shortened
from finetune.providers.notes import Notes
from finetune.providers.provider import Failure, Status
from finetune.providers.wire import Wire

_STATES = {"validating": JobState.DEPLOYING, "active": JobState.SUCCEEDED, "error": JobState.FAILED}


async def deploy(
    wire: Wire, notes: Notes, job: Mapping[str, Any], checkpoints: Sequence[Mapping[str, Any]], name: str
) -> Status:
    """Deploy it, or look how far it is. Repeating it deploys once."""
    source = f"{job['id']}:{_last(wire.provider, checkpoints)}"
    note = f"deployed-{name}"
    model = notes.get(note) or await _find(wire, source)
    if model is None:
        model = await _create(wire, notes, {"name": name, "base_model": job.get("model"), "source": source})
        notes.put(note, model)
    found = await wire.json("GET", f"/v0/models/{quote(model, safe='/:')}")
    word = str(found.get("status") or "")
    state = _STATES.get(word, JobState.DEPLOYING)
    if state is JobState.FAILED:
        reason = shortened(str(found.get("status_reason") or found.get("message") or word))
        return Status(state, word, failure=Failure("deploy_failed", {"provider": wire.provider, "reason": reason}))
    return Status(state, word, model=model if state is JobState.SUCCEEDED else None)


async def _create(wire: Wire, notes: Notes, body: dict[str, Any]) -> str:
    intent = f"deploying-{body['name']}"
    notes.begin(intent, wire.provider)
    try:
        made = await wire.json("POST", "/v0/models", body={**body, "description": "Made by Tuneteller"})
    except ProviderError as error:
        notes.failed(intent, error)
        raise
    notes.drop(intent)
    model = made.get("name")
    if not isinstance(model, str) or not model:
        raise odd(wire.provider, "a model without a name")
    return model


async def _find(wire: Wire, source: str) -> str | None:
    try:
        listed = await wire.json("GET", "/v0/models")
    except ProviderUnavailable:
        raise
    except ProviderError:
        return None
    rows = listed.get("data") or listed.get("models") or ()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("source") == source and isinstance(row.get("name"), str):
            return str(row["name"])
    return None


def _last(provider: str, checkpoints: Sequence[Mapping[str, Any]]) -> str:
    if not checkpoints:
        raise odd(provider, "a job that succeeded without a checkpoint")
    return str(max(checkpoints, key=lambda row: row.get("step_number") or 0)["id"])
