"""What the commands share: the core on the data folder, and who the operator is."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.chat.places import Account, Place
from bot.core import Core, build_core
from bot.services.access import Member
from bot.services.leases import Leases
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


@asynccontextmanager
async def watching(found: Core) -> AsyncIterator[Watch]:
    """A watcher that shows nothing: the terminal looks for itself. What a bot watches elsewhere is left to it."""

    async def show(_job: Job) -> None:
        return

    leases = Leases(found.database, f"terminal-{secrets.token_hex(4)}")
    await leases.start()
    renewing = asyncio.create_task(leases.run())
    try:
        yield Watch(found.database, leases, found.training, lambda: None, show, found.system_prompt)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await leases.close()


def lock_if_free(settings: Settings) -> FolderLock | None:
    """The data folder's lock, or None while a bot has it (that bot follows the jobs then)."""
    lock = FolderLock(settings.data_dir.absolute())
    try:
        lock.take()
    except FolderInUse:
        return None
    return lock
