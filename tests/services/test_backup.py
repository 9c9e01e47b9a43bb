"""A state of before is put back: nothing is started a second time, nothing is told a second time, nothing is hidden."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.chat.errors import UserError
from bot.chat.events import Press
from bot.chat.places import Account, MessageRef
from bot.services.access import Role
from bot.services.backup import Backup, PutBack, restore
from storage.database import Database
from storage.tables import OutboxRow
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


class Yesterday:
    """A world with a backup of an earlier moment."""

    def __init__(self, folder: Path, model: ModelStandIn, url: str) -> None:
        self.folder = folder
        self.url = url
        self.archive = folder.parent / "yesterday.tar"
        self.world = World(folder, model.endpoint, database=url)

    async def keep(self) -> None:
        """Make the backup, while the bot runs."""
        assert self.world.app is not None
        await Backup(self.world.app.core.database, self.folder).make(self.archive)

    async def back(self, *, force: bool = True) -> PutBack:
        """Go back to it."""
        await self.world.stop()
        database = Database(self.url)
        try:
            return await restore(self.archive, database, self.folder, force=force, own=("web",))
        finally:
            await database.close()

    async def pushes(self) -> dict[str, str]:
        """The state of each push."""
        assert self.world.app is not None
        async with self.world.app.core.database.transaction() as session:
            rows = await session.scalars(select(OutboxRow).where(OutboxRow.kind == "push"))
            return {row.key: row.state for row in rows}


@pytest.fixture
async def yesterday(tmp_path: Path, model: ModelStandIn, database_url: str) -> AsyncIterator[Yesterday]:
    found = Yesterday(tmp_path / "data", model, database_url)
    await found.world.start()
    yield found
    await found.world.stop()


async def looked(world: World, times: int = 3) -> None:
    """So many looks of the watcher, and all notices that they made are sent."""
    assert world.app is not None
    for _ in range(times):
        await world.app.watch.look()
    await world.app._notices.drain(5)


async def test_a_job_that_ended_since_is_shown_as_ended_and_not_told_again(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.running(ann)
    await yesterday.keep()
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done") and world.titles("· done"))
    done = await yesterday.back()
    assert done.aside is not None
    # What the chat shows is what it showed yesterday: only an edit can tell it.
    number = next(n for n, content in world.chats.messages.items() if "· done" in repr(content))
    world.chats.messages[number] = world.chats.cards()[0]
    await world.start()
    await world.chats.until(lambda: world.titles("· done"))
    await looked(world)
    assert len(world.titles("is done")) == 1
    assert len(world.trainings.started) == 1
    assert await yesterday.pushes() == {"job:1:done": "unknown"}


async def test_a_job_that_waited_then_and_ran_since_is_recognised(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.running(ann)
    await ann.says("/train --preset light --yes")
    await world.chats.until(lambda: "1 job is before it" in world.chats.text())
    await yesterday.keep()
    world.trainings.finish()
    await world.trainings.until_started(2)
    world.trainings.finish()
    await world.chats.until(lambda: len(world.titles("is done")) == 2)
    await yesterday.back()
    await world.start()
    await world.chats.until(lambda: len(world.titles("· done")) == 2)
    await looked(world)
    assert len(world.trainings.started) == 2
    assert len(world.titles("is done")) == 2


async def test_the_end_of_a_job_that_still_runs_is_told_once(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.running(ann)
    await yesterday.keep()
    await yesterday.back()
    await world.start()
    await looked(world, 1)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await looked(world)
    assert len(world.titles("is done")) == 1
    assert len(world.trainings.started) == 1


async def test_attempts_that_failed_since_are_not_started_again(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.running(ann)
    await yesterday.keep()
    for attempt in (2, 3):
        world.trainings.lose()
        await world.trainings.until_started(attempt)
    world.trainings.lose()
    await world.chats.until(lambda: world.titles("failed") and world.titles("· failed"))
    await yesterday.back()
    await world.start()
    await looked(world)
    assert len(world.trainings.started) == 3
    assert len([card for card in world.chats.cards() if card.rings and "failed" in card.title]) == 1


async def test_what_was_asked_then_is_not_answered_a_second_time(yesterday: Yesterday, model: ModelStandIn) -> None:
    world = yesterday.world
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Should I move house?")
    await model.spoke.wait()
    await yesterday.keep()
    model.hold.set()
    await world.chats.until(lambda: "settle" in world.chats.text())
    count = len(world.chats.messages)
    await yesterday.back()
    await world.start()
    await ann_again(world, ann).says("/whoami")
    await world.chats.until(lambda: world.titles("This is you"))
    assert len(world.chats.messages) == count + 1


def ann_again(world: World, ann: Someone) -> Someone:
    """The same person at the platform of the new bot."""
    assert world.platform is not None
    return Someone(world.platform, ann.id, ann.language)


async def test_codes_and_browsers_of_then_are_no_longer_let_in(yesterday: Yesterday) -> None:
    world = yesterday.world
    await world.owner()
    assert world.app is not None
    access = world.app.core.access
    invite, signin = await access.invite(Role.TRAINER), await access.issue_signin_code()
    assert signin is not None
    member = await access.member(Account("chats", "ann"))
    token = await access.open_session(member, "room")
    await yesterday.keep()
    await yesterday.back()
    await world.start()
    access = world.app.core.access
    assert await access.session(token) is None
    for code in (invite, signin):
        with pytest.raises(UserError, match="code_unknown"):
            await access.redeem(code, Account("chats", "eve"))
    fresh = await access.issue_signin_code(member.id)
    assert fresh is not None
    assert (await access.redeem(fresh, Account("web", "browser"))).id == member.id


async def test_buttons_shown_since_mean_nothing_instead_of_something_else(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.uploaded(ann)
    await yesterday.keep()
    await ann.says("/train --yes")
    await world.chats.until(lambda: "label='Cancel'" in world.chats.text())
    await world.trainings.until_started(1)
    number, old = ann.button("Cancel")
    await yesterday.back()
    await world.start()
    ann = ann_again(world, ann)
    await ann.says("/train --preset light --yes")
    await world.trainings.until_started(2)
    assert world.platform is not None
    press = Press("p-old", ann.place, ann.account, MessageRef(ann.place, number), old.token)
    ack = await world.platform.hand_over(press)
    assert ack is not None
    assert ack.alert
    assert world.trainings.cancelled == []


async def test_a_folder_in_use_is_not_gone_over_unasked(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.uploaded(ann)
    await yesterday.keep()
    with pytest.raises(UserError, match="restore_not_empty"):
        await yesterday.back(force=False)
    await world.start()
    assert world.app is not None
    assert await world.app.core.access.has_owner()


async def test_a_damaged_archive_changes_nothing(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.uploaded(ann)
    await yesterday.keep()
    data = bytearray(yesterday.archive.read_bytes())
    data[data.index(b"The leaves settle")] ^= 1
    yesterday.archive.write_bytes(data)
    with pytest.raises(UserError, match="archive_"):
        await yesterday.back()
    await world.start()
    assert world.app is not None
    assert await world.app.core.access.has_owner()
    assert not list(yesterday.folder.glob("restoring-*"))


async def test_an_empty_folder_elsewhere_gets_everything(yesterday: Yesterday, tmp_path: Path) -> None:
    world = yesterday.world
    ann = await world.owner()
    await world.running(ann)
    await yesterday.keep()
    await world.stop()
    elsewhere = tmp_path / "elsewhere"
    moved = World(elsewhere, world.endpoint)
    database = Database(moved.settings.database_url)
    done = await restore(yesterday.archive, database, elsewhere, own=("web",))
    await database.close()
    assert done.aside is None
    moved.chats, moved.trainings = world.chats, world.trainings
    await moved.start()
    await looked(moved, 1)
    moved.trainings.finish()
    await moved.chats.until(lambda: moved.titles("is done"))
    await ann_again(moved, ann).says("/ds_1")
    await moved.chats.until(lambda: "12" in moved.chats.text())
    await moved.stop()
    assert len(moved.trainings.started) == 1


async def test_an_admin_is_told_where_the_backup_lies(yesterday: Yesterday) -> None:
    world = yesterday.world
    ann = await world.owner()
    await ann.says("/backup")
    await world.chats.until(lambda: "backups/tuneteller-" in world.chats.text())
    (archive,) = (yesterday.folder / "backups").iterdir()
    assert str(archive) in world.chats.text()
    assert not world.chats.cards()[-1].attachments
