"""What was taken from documents about this shape, each a question that an account answers.

OC1 jobs are listed. OC2 a job that is not there is 404. OC3 the metadata filter is heeded. OC4 a model that is not
there is refused with 404 or 400. OC5 (Nebius) deployed models are listed. None of them starts or costs anything.
"""

from collections.abc import Sequence

from finetune.errors import ProviderError
from finetune.providers.abilities import Assumption, Check
from finetune.providers.openai_compatible.sdk import Sdk, rows_of
from finetune.providers.profiles import Profile
from finetune.providers.wire import Wire

_NOBODY = "tuneteller-is-not-there"
_CODES = {
    "provider_key": "key",
    "provider_forbidden": "forbidden",
    "provider_missing": "missing",
    "provider_busy": "busy",
    "provider_unreachable": "unreachable",
    "provider_lost": "unreachable",
    "provider_refused": "refused",
}


async def one_token(sdk: Sdk, model: str) -> Check:
    """How a model answers."""
    try:
        await sdk.json(
            lambda c: c.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=1
            )
        )
    except ProviderError as error:
        return Check(False, _CODES.get(error.code, "down"), _words(error))
    return Check(True, "ready")


async def reach(sdk: Sdk) -> Check:
    """Whether it answers and lets us in."""
    try:
        await sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.list(limit=1))
    except ProviderError as error:
        return Check(False, error.code, _words(error))
    return Check(True, "ready")


async def all_of(sdk: Sdk, wire: Wire, profile: Profile) -> Sequence[Assumption]:
    """OC1 to OC4, and OC5 where it applies."""
    first = await reach(sdk)
    found = [Assumption("OC1", "jobs are listed", first.ready, first.detail or first.code)]
    if not first.ready:
        return found
    found.append(await _missing(sdk))
    if profile.options.get("finds_by") == "metadata":
        found.append(await _filter(sdk))
    model = await one_token(sdk, _NOBODY)
    found.append(
        Assumption(
            "OC4", "an unknown model is refused", model.code in ("missing", "refused"), model.detail or model.code
        )
    )
    if profile.options.get("deploy") == "nebius":
        found.append(await _listed(wire))
    return found


async def _missing(sdk: Sdk) -> Assumption:
    claim = "an unknown job is 404"
    try:
        await sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.retrieve(f"ftjob-{_NOBODY}"))
    except ProviderError as error:
        return Assumption("OC2", claim, error.code == "provider_missing", _words(error) or error.code)
    return Assumption("OC2", claim, False, "200")


async def _filter(sdk: Sdk) -> Assumption:
    claim = "jobs are filtered by metadata"
    query = {"metadata[tuneteller]": _NOBODY}
    try:
        every = rows_of(sdk.provider, await sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.list(limit=1)))
        answer = await sdk.json(lambda c: c.fine_tuning.jobs.with_raw_response.list(limit=1, extra_query=query))
        some = rows_of(sdk.provider, answer)
    except ProviderError as error:
        return Assumption("OC3", claim, False, _words(error) or error.code)
    # Without any job there is nothing to filter.
    return Assumption("OC3", claim, not some if every else None, f"{len(some)} of {len(every)}")


async def _listed(wire: Wire) -> Assumption:
    claim = "deployed models are listed"
    try:
        await wire.json("GET", "/v0/models")
    except ProviderError as error:
        return Assumption("OC5", claim, False, _words(error) or error.code)
    return Assumption("OC5", claim, True, "200")


def _words(error: ProviderError) -> str:
    return f"{error.fields.get('status', '')} {error.fields.get('detail', '')}".strip()
