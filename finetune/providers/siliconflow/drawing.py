"""Pictures of a tuned image model, by ``/v1/images/generations``."""

from finetune.providers.abilities import Picture
from finetune.providers.faults import odd
from finetune.providers.wire import Wire

SIZE = "1024x1024"
_MOST_BYTES = 20_000_000
# What a picture begins with; the address that it is fetched from tells nothing reliable.
_KINDS = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


async def draw(wire: Wire, model: str, prompt: str) -> Picture:
    """One picture. Raises ``ProviderError`` and ``ProviderUnavailable``."""
    body = {"model": model, "prompt": prompt, "image_size": SIZE, "batch_size": 1}
    answer = await wire.json("POST", "/images/generations", body=body)
    images = answer.get("images") or answer.get("data")
    url = images[0].get("url") if isinstance(images, list) and images and isinstance(images[0], dict) else None
    if not isinstance(url, str) or not url.startswith(("https://", _origin(wire.base_url))):
        raise odd(wire.provider, "no picture in the answer")
    data, _ = await wire.fetch(url, _MOST_BYTES)
    kind = next((kind for beginning, kind in _KINDS if data.startswith(beginning)), None)
    if kind is None:
        raise odd(wire.provider, "what was fetched is no picture")
    return Picture(data, kind)


def _origin(base_url: str) -> str:
    scheme, _, rest = base_url.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}/"
