"""Lists that come in pages."""

from collections.abc import AsyncGenerator
from typing import Any

from finetune.providers.faults import odd
from finetune.providers.wire import Wire

_SIZE = 100
_MOST = 10


async def pages(wire: Wire, path: str, envelope: str, name: str) -> AsyncGenerator[dict[str, Any]]:
    """The rows of ``{envelope: {name: […], "total": n}}``, page by page."""
    for page in range(1, _MOST + 1):
        answer = await wire.json("GET", path, query={"page_no": str(page), "page_size": str(_SIZE)})
        inner = answer.get(envelope)
        rows = inner.get(name, []) if isinstance(inner, dict) else None
        if not isinstance(rows, list):
            raise odd(wire.provider, f"no list of {name}")
        for row in rows:
            if isinstance(row, dict):
                yield row
        total = inner.get("total") if isinstance(inner, dict) else None
        if len(rows) < _SIZE or (isinstance(total, int) and page * _SIZE >= total):
            return
