"""The platforms that are switched on, each with what it is handed. Part of the composition root, with ``app.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.adapters import Completing, DiscordMemory, Probes, TelegramOffset, WebDoor, WebFiles, WebLog, WebReports
from bot.chat.content import MenuEntry
from bot.chat.errors import UserError
from bot.chat.platform import Platform
from bot.core import Core
from bot.platforms.telegram import DraftingTelegramPlatform, TelegramPlatform, WebhookAddress, secret_of
from bot.platforms.web import WebPlatform
from bot.services.leases import Leases
from bot.services.proof import Proof
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Platforms:
    """The page, and all platforms by name, the page first."""

    web: WebPlatform
    all: Mapping[str, Platform]


def _webhook(settings: Settings, token: str) -> WebhookAddress | None:
    if settings.telegram_webhook_url is None:
        return None
    given = settings.telegram_webhook_secret
    secret = secret_of(token) if given is None else given.get_secret_value()
    return WebhookAddress(settings.telegram_webhook_url, *settings.telegram_listen, secret)


def _discord(settings: Settings, token: str, core: Core, menu: Sequence[MenuEntry], leases: Leases) -> Platform:
    try:
        from bot.platforms.discord.platform import DiscordPlatform
    except ModuleNotFoundError as error:
        if error.name != "discord":
            raise
        raise UserError("discord_missing") from error
    bases = {name: [base.id for base in provider.bases] for name, provider in core.training.providers.items()}
    return DiscordPlatform(
        token,
        api_base=settings.discord_api_base,
        menu=menu,
        store=DiscordMemory(core.database),
        completion=Completing(core.access, core.library, core.training, core.releases, menu, bases),
        most_upload=settings.max_upload_mb * 1_000_000,
        roles=settings.server_roles,
        turn=lambda: leases.hold("read:discord"),
    )


def platforms(settings: Settings, core: Core, menu: Sequence[MenuEntry], leases: Leases, proof: Proof) -> Platforms:
    """The page, and whatever has a token."""
    data = settings.data_dir.absolute()
    web = WebPlatform(
        settings.web_host,
        settings.web_port,
        door=WebDoor(core.access),
        log=WebLog(core.database),
        files=WebFiles(core.files),
        probes=Probes(core.database, data),
        incoming=data / "incoming",
        menu=menu,
        max_upload_bytes=settings.max_upload_mb * 1_000_000,
        shared=not core.database.is_sqlite,
        reports=WebReports(core.releases, proof),
    )
    found: dict[str, Platform] = {web.name: web}
    if settings.telegram_token is not None:
        kind = DraftingTelegramPlatform if settings.telegram_drafts else TelegramPlatform
        telegram = kind(
            settings.telegram_token.get_secret_value(),
            api_base=settings.telegram_api_base,
            menu=menu,
            offset_store=TelegramOffset(core.database),
            webhook=_webhook(settings, settings.telegram_token.get_secret_value()),
            turn=lambda: leases.hold("poll:telegram"),
        )
        found[telegram.name] = telegram
    if settings.discord_token is not None:
        discord = _discord(settings, settings.discord_token.get_secret_value(), core, menu, leases)
        found[discord.name] = discord
    return Platforms(web, found)
