"""Makes the remote providers that are set up."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from finetune.providers.dashscope import DashScopeProvider
from finetune.providers.fireworks import FireworksProvider
from finetune.providers.openai_compatible import OpenAICompatibleProvider
from finetune.providers.profiles import names, profile
from finetune.providers.provider import Provider
from finetune.providers.siliconflow import SiliconFlowProvider
from finetune.providers.together import TogetherProvider


class Access(Protocol):
    """What a provider is asked with."""

    @property
    def key(self) -> str:
        """The API key."""
        ...

    @property
    def base_url(self) -> str:
        """Another address than the profile's, or ""."""
        ...

    @property
    def account(self) -> str:
        """The account's id, where the addresses contain it."""
        ...

    @property
    def webhook_secret(self) -> str:
        """What posts are signed with, or ""."""
        ...

    @property
    def upload(self) -> bool:
        """Whether what is not documented for it may be used to upload."""
        ...


def remote(access: Callable[[str], Access | None], folder: Path) -> dict[str, Provider]:
    """The providers that have access, by name. ``folder``: for notes about what is under way."""
    found: dict[str, Provider] = {}
    for name in names():
        given = access(name)
        if given is not None:
            found[name] = _made(name, given, folder / name)
    return found


def _made(name: str, access: Access, folder: Path) -> Provider:
    wire = profile(name).wire
    if wire == "siliconflow":
        return SiliconFlowProvider(access.key, base_url=access.base_url, upload=access.upload)
    if wire == "dashscope":
        return DashScopeProvider(access.key, folder, base_url=access.base_url)
    if wire == "openai_compatible":
        return OpenAICompatibleProvider(
            name, access.key, folder, base_url=access.base_url, webhook_secret=access.webhook_secret
        )
    if wire == "together":
        return TogetherProvider(access.key, folder, base_url=access.base_url)
    if wire == "fireworks":
        return FireworksProvider(access.key, folder, access.account, base_url=access.base_url)
    raise ValueError(f"{name}: no such wire: {wire}")
