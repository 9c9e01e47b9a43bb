"""Uploading through ``/v1/files`` with ``purpose=fine-tune``: works for one third party, is not documented, and may end
at any time. So it is off unless asked for, and whatever goes wrong leads back to the files of the hand-over.
"""

import logging
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError
from finetune.providers.faults import odd
from finetune.providers.provider import FineTune
from finetune.providers.wire import UPLOAD_TIMEOUT, Wire

log = logging.getLogger(__name__)

PURPOSE = "fine-tune"


async def send(wire: Wire, job: FineTune, task: str) -> dict[str, str]:
    """Facts for the handle: ``file`` and ``held_out``, or that it failed. Files that are there already are found."""
    try:
        there = await _there(wire)
        facts = {"file": await _one(wire, job.training_file, f"{task}_train.jsonl", there)}
        if job.validation_file is not None:
            facts["held_out"] = await _one(wire, job.validation_file, f"{task}_val.jsonl", there)
    except ProviderError as error:
        log.warning("files of %s were not uploaded (%s): they are handed over", job.key, error.code)
        return {"upload": "failed"}
    return facts


async def _there(wire: Wire) -> dict[str, str]:
    answer = await wire.json("GET", "/files", query={"purpose": PURPOSE, "limit": "100"})
    rows = _data(wire, answer).get("data")
    if not isinstance(rows, list):
        raise odd(wire.provider, "no list of files")
    return {str(row.get("filename")): str(row.get("id")) for row in rows if isinstance(row, dict) and row.get("id")}


async def _one(wire: Wire, file: Path, name: str, there: dict[str, str]) -> str:
    if name in there:
        return there[name]
    form = aiohttp.FormData()
    form.add_field("purpose", PURPOSE)
    form.add_field("file", file.read_bytes(), filename=name, content_type="application/jsonl")
    answer = await wire.json("POST", "/files", form=form, timeout=UPLOAD_TIMEOUT)
    found = _data(wire, answer).get("id")
    if not isinstance(found, str) or not found:
        raise odd(wire.provider, "a file without an id")
    return found


def _data(wire: Wire, answer: dict[str, Any]) -> dict[str, Any]:
    """What is wrapped: ``{"code": 20000, "status": true, "data": {…}}``."""
    found = answer.get("data")
    if answer.get("code") != 20000 or not isinstance(found, dict):
        raise odd(wire.provider, f"{answer.get('code')} {answer.get('message')}")
    return found
