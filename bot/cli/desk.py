"""What the commands share: the core on the data folder, and who the operator is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.app import Core, build_core
from bot.chat.places import Account, MessageRef, Place
from bot.services.access import Member
from bot.services.notices import TERMINAL
from bot.services.watch import Watch
from bot.settings import Settings
from storage.lock import FolderInUse, FolderLock
from storage.tables import Job

PLACE = Place(TERMINAL, "terminal")


@asynccontextmanager
async def core(settings: Settings) -> AsyncIterator[Core]:
    """The core, its database migrated."""
    found = build_core(settings)
    try:
        await found.database.migrate()
        yield found
    finally:
        await found.close()


async def operator(found: Core) -> Member:
    """Whoever has this machine: a lead, so that the owner's code still makes the first admin."""
    return await found.access.operator(Account(TERMINAL, "operator", "operator"))


def watcher(found: Core) -> Watch:
    """A watcher that shows nothing: the terminal looks for itself."""

    async def show(_ref: MessageRef, _job: Job) -> None:
        return

    return Watch(found.database, found.training, lambda: None, show, found.system_prompt)


def lock_if_free(settings: Settings) -> FolderLock | None:
    """The data folder's lock, or None while a bot has it (that bot follows the jobs then)."""
    lock = FolderLock(settings.data_dir.absolute())
    try:
        lock.take()
    except FolderInUse:
        return None
    return lock
