"""What the platforms are handed: small fits between their ports and our services and storage. Part of the
composition root, with ``app.py``.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from bot.cards import report_page
from bot.chat.content import MenuEntry
from bot.chat.errors import UserError
from bot.chat.places import Account
from bot.locales import language_of
from bot.platforms.discord import Known
from bot.platforms.web.ports import Entry, Visitor
from bot.services.access import Access, Member, Role
from bot.services.library import Library
from bot.services.proof import Proof
from bot.services.releases import Releases
from bot.services.training import Training
from storage import hints
from storage.clock import now
from storage.database import Database
from storage.files import FileStore
from storage.repositories import channels, messages, settings
from storage.tables import WebMessage

# Nothing replies to a command that is older.
_ANCHOR_LIFE = timedelta(days=60)


class WebDoor:
    """Lets people in to the page."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def redeem(self, code: str, name: str, language: str) -> str:
        """A session for a one-time code; a code of an existing person opens their own room again."""
        account = Account("web", secrets.token_hex(8), " ".join(name.split())[:80], language_of(language))
        member = await self._access.redeem(code, account)
        assert member.id is not None
        # A person has one room, whatever browser they come with.
        room = await self._access.web_account(member.id)
        return await self._access.open_session(member, room or account.id)

    async def visitor(self, token: str) -> Visitor | None:
        """Who has this session, with the role of this very moment."""
        found = await self._access.session(token)
        if found is None or found[1].role is Role.GUEST:
            return None
        account, member = found
        return Visitor(account, member.name, member.role.word, member.language or "", account)

    async def leave(self, token: str) -> None:
        """End a session."""
        await self._access.close_session(token)


class WebLog:
    """The page's message log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, room: str, author: str, body: Mapping[str, object], key: str) -> Entry:
        """Add a message. Keys are the room's own: nobody finds another room's message by its key."""
        async with self._database.transaction() as session:
            await hints.give(session, "room", room)
            return _entry(await messages.append(session, room, author, body, f"{room}:{key}"))

    async def revise(self, room: str, id: int, body: Mapping[str, object]) -> Entry:  # noqa: A002 - the port's name
        """Replace what a message shows."""
        async with self._database.transaction() as session:
            await hints.give(session, "room", room)
            return _entry(await messages.revise(session, room, id, body))

    async def since(self, room: str, revision: int, limit: int) -> Sequence[Entry]:
        """What changed after a revision."""
        async with self._database.reading() as session:
            return [_entry(row) for row in await messages.since(session, room, revision, limit)]

    async def latest(self, room: str, before: int | None, limit: int) -> Sequence[Entry]:
        """Older messages."""
        async with self._database.reading() as session:
            return [_entry(row) for row in await messages.latest(session, room, before, limit)]


def _entry(row: WebMessage) -> Entry:
    return Entry(row.id, row.room, row.author, row.body, row.revision, row.created_at)


class WebFiles:
    """Attachments on the page."""

    def __init__(self, files: FileStore) -> None:
        self._files = files

    async def put(self, data: bytes) -> str:
        """Keep bytes."""
        return await self._files.put(data)

    def path(self, digest: str) -> Path:
        """Where they are."""
        return self._files.path(digest)


class WebReports:
    """Verdicts on the page, for trainers and above."""

    def __init__(self, releases: Releases, proof: Proof) -> None:
        self._releases = releases
        self._proof = proof

    async def html(self, version: int, visitor: Visitor, language: str, assets: str) -> str | None:
        """The page of a model; None where there is none or this visitor may not see it."""
        if Role.of(visitor.role) < Role.TRAINER:
            return None
        try:
            model = await self._releases.by_version(version)
        except UserError:
            return None
        return report_page.html(await self._proof.shown(model), language, assets)


class Probes:
    """How the whole product is."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    async def alive(self) -> bool:
        """Whether the event loop turned within the last half minute: answering at all says so."""
        return True

    async def ready(self) -> Mapping[str, bool]:
        """The database takes writes, the data folder is there."""
        return {"database": await self._database.writable(), "data_folder": self._folder.is_dir()}


class DiscordMemory:
    """Discord's channels and anchors in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self) -> Sequence[Known]:
        """The channels, those that were spoken in last first; old anchors go by the way."""
        async with self._database.transaction() as session:
            await channels.sweep(session, now() - _ANCHOR_LIFE)
            rows = await channels.known(session)
        return [Known(row.channel, row.guild, row.seen, row.open) for row in rows]

    async def saw(self, channel: str, guild: str, seen: int) -> None:
        """Everything up to this id is stored."""
        async with self._database.transaction() as session:
            await channels.saw(session, channel, guild, seen)

    async def opened(self, channel: str, open: bool) -> None:  # noqa: A002 - the port's name
        """Whether we may write there."""
        async with self._database.transaction() as session:
            await channels.opened(session, channel, open=open)

    async def anchor(self, interaction: str) -> str | None:
        """The message that shows a command."""
        async with self._database.transaction() as session:
            return await channels.anchor(session, interaction)

    async def anchored(self, interaction: str, message: str) -> None:
        """Keep it."""
        async with self._database.transaction() as session:
            await channels.anchored(session, interaction, message)


class Completing:
    """What fits a word that somebody types, of what they may see."""

    def __init__(
        self,
        access: Access,
        library: Library,
        training: Training,
        releases: Releases,
        commands: Sequence[MenuEntry],
        bases: Mapping[str, Sequence[str]],
    ) -> None:
        self._access = access
        self._library = library
        self._training = training
        self._releases = releases
        self._commands = commands
        self._bases = bases

    async def complete(self, account: Account, kind: str, typed: str) -> Sequence[tuple[str, str]]:
        """(what is shown, what is meant); nothing for those who may not use what takes it."""
        member = await self._access.member(account)
        wanted = typed.strip().lower()
        found = [pair for pair in await self._all(member, kind) if wanted in pair[0].lower()]
        return found[:25]

    async def _all(self, member: Member, kind: str) -> list[tuple[str, str]]:
        if kind == "commands":
            return [(entry.name, entry.name) for entry in self._commands if Role.of(entry.role) <= member.role]
        if kind in ("voices", "aliases") and member.role >= Role.USER:
            named = [(f"@{alias} · {model.name}", alias) for alias, model in await self._releases.aliases()]
            if kind == "aliases":
                return named
            voices = [(shown, f"@{alias}") for shown, alias in named]
            versions = await self._all(member, "models")
            return [*voices, *(pair for pair in versions if pair[1] != "base"), ("off", "off")]
        if member.role < Role.TRAINER:
            return []
        match kind:
            case "datasets":
                held = await self._library.listing(member, 100)
                return [(f"{each.dataset.id} · {each.dataset.name}", str(each.dataset.id)) for each in held]
            case "jobs":
                jobs = await self._training.listing(100)
                return [(f"{job.id} · {job.name} · {job.state}", str(job.id)) for job in jobs]
            case "models":
                models = [each.model for each in await self._releases.listing(100)]
                return [
                    *((f"v{model.version} · {model.name}", f"v{model.version}") for model in models),
                    ("base", "base"),
                ]
            case "providers":
                return [(name, name) for name in self._bases]
            case "bases":
                return [(base, base) for bases in self._bases.values() for base in bases]
        return []


class TelegramOffset:
    """How far Telegram's updates were read."""

    _NAME = "telegram.offset"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> int | None:
        """The stored position."""
        async with self._database.transaction() as session:
            value = await settings.get(session, self._NAME)
        return int(value) if value else None

    async def save(self, offset: int) -> None:
        """Store the position."""
        async with self._database.transaction() as session:
            await settings.put(session, self._NAME, str(offset))
