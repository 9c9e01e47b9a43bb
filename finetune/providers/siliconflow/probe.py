"""A one-token chat that tells whether a model id is there, and what else may be the matter."""

from finetune.errors import ProviderError
from finetune.providers.abilities import Check
from finetune.providers.wire import Wire

# "Model does not exist": not there, or not there yet.
MODEL_MISSING = "20012"
_CODES = {
    "provider_key": "key",
    "provider_forbidden": "forbidden",
    "provider_busy": "busy",
    "provider_down": "down",
    "provider_timeout": "down",
    "provider_unreachable": "unreachable",
    "provider_lost": "unreachable",
    "provider_not_json": "down",
    "provider_odd": "down",
}


async def probe(wire: Wire, model: str) -> Check:
    """How the model answers. Raises nothing: every answer is a finding."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, "stream": False}
    try:
        answer = await wire.json("POST", "/chat/completions", body=body)
    except ProviderError as error:
        status, detail = str(error.fields.get("status", "")), str(error.fields.get("detail", ""))
        if MODEL_MISSING in status.split() or error.code == "provider_missing":
            return Check(False, "missing", detail)
        return Check(False, _CODES.get(error.code, "refused"), f"{status} {detail}".strip())
    if not isinstance(answer.get("choices"), list):
        return Check(False, "down", "200 without an answer")
    return Check(True, "ready")
