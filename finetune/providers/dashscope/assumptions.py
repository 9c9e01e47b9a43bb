"""What was taken from documents about DashScope, each a question that an account answers.

DS1 jobs are listed. DS2 a job that is not there is 404. DS3 files are listed under data.files. DS4 deployments are
listed. None of them starts or costs anything.
"""

from collections.abc import Sequence

from finetune.errors import ProviderError
from finetune.providers.abilities import Assumption, Check
from finetune.providers.wire import Wire

_PAGE = {"page_no": "1", "page_size": "1"}


async def reach(wire: Wire) -> Check:
    """Whether it answers and lets us in."""
    try:
        await wire.json("GET", "/api/v1/fine-tunes", query=_PAGE)
    except ProviderError as error:
        return Check(False, error.code, _words(error))
    return Check(True, "ready")


async def all_of(wire: Wire) -> Sequence[Assumption]:
    """DS1 to DS4."""
    found = [await _listed(wire, "DS1", "jobs are listed", "/api/v1/fine-tunes", "output", "jobs")]
    if not found[0].holds:
        return found
    found.append(await _missing(wire))
    found.append(await _listed(wire, "DS3", "files are listed", "/api/v1/files", "data", "files"))
    found.append(await _listed(wire, "DS4", "deployments are listed", "/api/v1/deployments", "output", "deployments"))
    return found


async def _listed(wire: Wire, identifier: str, claim: str, path: str, envelope: str, name: str) -> Assumption:
    try:
        answer = await wire.json("GET", path, query=_PAGE)
    except ProviderError as error:
        return Assumption(identifier, claim, False, _words(error) or error.code)
    inner = answer.get(envelope)
    holds = isinstance(inner, dict) and isinstance(inner.get(name, []), list)
    return Assumption(identifier, claim, holds, ", ".join(sorted(inner)) if isinstance(inner, dict) else "no object")


async def _missing(wire: Wire) -> Assumption:
    claim = "an unknown job is 404"
    try:
        await wire.json("GET", "/api/v1/fine-tunes/ft-tuneteller-is-not-there")
    except ProviderError as error:
        return Assumption("DS2", claim, error.code == "provider_missing", _words(error) or error.code)
    return Assumption("DS2", claim, False, "200")


def _words(error: ProviderError) -> str:
    return f"{error.fields.get('status', '')} {error.fields.get('detail', '')}".strip()
