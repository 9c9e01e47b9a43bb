"""Files of a job, found by name before they are sent."""

import hashlib
from pathlib import Path
from typing import Any

import aiohttp

from finetune.errors import ProviderError
from finetune.providers.dashscope.pages import pages
from finetune.providers.faults import odd, shortened
from finetune.providers.wire import UPLOAD_TIMEOUT, Wire

PURPOSE = "fine-tune"


async def upload(wire: Wire, file: Path, stem: str) -> str:
    """The file's id there. Its name carries its content's digest."""
    data = file.read_bytes()
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.jsonl"
    async for row in pages(wire, "/api/v1/files", "data", "files"):
        if row.get("name") == name and row.get("file_id"):
            return str(row["file_id"])
    form = aiohttp.FormData()
    form.add_field("files", data, filename=name, content_type="application/octet-stream")
    form.add_field("purpose", PURPOSE)
    form.add_field("descriptions", "Tuneteller")
    answer = await wire.json("POST", "/api/v1/files", form=form, timeout=UPLOAD_TIMEOUT)
    found = answer.get("data")
    if not isinstance(found, dict):
        raise odd(wire.provider, "no data")
    failed, made = _rows(found.get("failed_uploads")), _rows(found.get("uploaded_files"))
    if failed:
        words = shortened(str(failed[0].get("message") or failed[0].get("code") or ""))
        raise ProviderError("provider_refused", provider=wire.provider, status="file", detail=words)
    if not made or not isinstance(made[0].get("file_id"), str):
        raise odd(wire.provider, "a file without an id")
    return str(made[0]["file_id"])


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
