"""What was taken from documents about SiliconFlow, each a question that an account answers.

SF1 the key is taken by ``/v1/models``. SF2 an unknown model is code 20012. SF3 files may be listed for training.
SF4 tuned models stand in ``/v1/models``. SF5 ``/v1/user/info`` is gone. None of them starts or costs anything.
"""

from collections.abc import Sequence

from finetune.errors import ProviderError
from finetune.providers.abilities import Assumption, Check
from finetune.providers.siliconflow.probe import probe
from finetune.providers.siliconflow.uploads import PURPOSE
from finetune.providers.wire import Wire

_NOWHERE = "ft:LoRA/Qwen/Qwen2.5-7B-Instruct:nobody:tuneteller:aaaaaaaaaaaaaaaaaaaa"


async def reach(wire: Wire) -> Check:
    """Whether it answers and lets us in."""
    try:
        await wire.json("GET", "/models", query={"type": "text", "sub_type": "chat"})
    except ProviderError as error:
        return Check(False, error.code, f"{error.fields.get('status', '')} {error.fields.get('detail', '')}".strip())
    return Check(True, "ready")


async def all_of(wire: Wire) -> Sequence[Assumption]:
    """SF1 to SF5."""
    first = await reach(wire)
    found = [Assumption("SF1", "/v1/models takes the key", first.ready, first.detail or first.code)]
    if not first.ready:
        return found
    missing = await probe(wire, _NOWHERE)
    found.append(Assumption("SF2", "an unknown model is 20012", missing.code == "missing", missing.detail))
    found.append(await _answers(wire, "SF3", "/v1/files lists purpose=fine-tune", "/files", {"purpose": PURPOSE}))
    found.append(await _tuned(wire))
    gone = await _answers(wire, "SF5", "/v1/user/info is gone", "/user/info", {})
    found.append(Assumption(gone.id, gone.claim, not gone.holds, gone.found))
    return found


async def _answers(wire: Wire, identifier: str, claim: str, path: str, query: dict[str, str]) -> Assumption:
    try:
        await wire.json("GET", path, query=query)
    except ProviderError as error:
        return Assumption(identifier, claim, False, f"{error.code} {error.fields.get('status', '')}".strip())
    return Assumption(identifier, claim, True, "200")


async def _tuned(wire: Wire) -> Assumption:
    claim = "tuned models stand in /v1/models"
    answer = await wire.json("GET", "/models", query={"type": "text"})
    ids = [str(entry.get("id")) for entry in answer.get("data", ()) if isinstance(entry, dict)]
    tuned = [text for text in ids if text.startswith("ft:")]
    # Without a tuned model of one's own there is nothing to see.
    return Assumption("SF4", claim, True if tuned else None, f"{len(tuned)} of {len(ids)}")
