"""Files of a job, found by name before they are sent: a lost answer leaves no second copy."""

import hashlib
from pathlib import Path

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.providers.faults import odd
from finetune.providers.openai_compatible.sdk import Sdk, rows_of

PURPOSE = "fine-tune"


async def upload(sdk: Sdk, file: Path, stem: str) -> str:
    """The id of the file there. Its name carries its content's digest."""
    data = file.read_bytes()
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.jsonl"
    found = await _there(sdk, name)
    if found is not None:
        return found
    answer = await sdk.json(
        lambda c: c.files.with_raw_response.create(file=(name, data, "application/jsonl"), purpose=PURPOSE, timeout=600)
    )
    if not isinstance(answer.get("id"), str):
        raise odd(sdk.provider, "a file without an id")
    if answer.get("status") == "error":
        raise ProviderError(
            "provider_refused", provider=sdk.provider, status="file", detail=str(answer.get("status_details"))
        )
    return str(answer["id"])


async def _there(sdk: Sdk, name: str) -> str | None:
    try:
        rows = rows_of(sdk.provider, await sdk.json(lambda c: c.files.with_raw_response.list(purpose=PURPOSE)))
    except ProviderUnavailable:
        raise
    except ProviderError:
        return None  # not everybody lists files
    return next((str(row["id"]) for row in rows if row.get("filename") == name and row.get("id")), None)
