"""What the platforms are handed: small fits between their ports and our services and storage. Part of the
composition root, with ``app.py``.
"""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.chat.places import Account
from bot.locales import language_of
from bot.platforms.web.ports import Entry, Visitor
from bot.services.access import Access, Role
from storage.database import Database
from storage.files import FileStore
from storage.repositories import messages, settings
from storage.tables import WebMessage


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
            return _entry(await messages.append(session, room, author, body, f"{room}:{key}"))

    async def revise(self, room: str, id: int, body: Mapping[str, object]) -> Entry:  # noqa: A002 - the port's name
        """Replace what a message shows."""
        async with self._database.transaction() as session:
            return _entry(await messages.revise(session, room, id, body))

    async def since(self, room: str, revision: int, limit: int) -> Sequence[Entry]:
        """What changed after a revision."""
        async with self._database.transaction() as session:
            return [_entry(row) for row in await messages.since(session, room, revision, limit)]

    async def latest(self, room: str, before: int | None, limit: int) -> Sequence[Entry]:
        """Older messages."""
        async with self._database.transaction() as session:
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
