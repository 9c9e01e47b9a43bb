"""A database that is away for a while costs nobody a word, a notice or a request, and does nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.chat.content import AnswerState
from bot.services import notices
from bot.services.access import Member
from storage.database import Database, DatabaseAway, away
from storage.tables import Setting
from tests.fakes.model import ModelStandIn
from tests.services.world import World
from tests.wire import Wire

# SQLite has no server that could be away.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

# More than a process may die of.
OUTAGES = 25


@pytest.fixture
async def wire(tmp_path: Path, database_url: str) -> AsyncIterator[Wire]:
    async with Wire(database_url, tmp_path / "wire", 0.0) as found:
        yield found


@pytest.fixture
async def world(tmp_path: Path, wire: Wire, model: ModelStandIn) -> AsyncIterator[World]:
    found = World(tmp_path, model.endpoint, database=wire.url, lease=60.0)
    await found.start()
    yield found
    await found.stop()


async def test_the_end_of_an_answer_waits_for_the_database(
    world: World, wire: Wire, model: ModelStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Should I move?")
    await model.spoke.wait()
    await world.chats.until(lambda: world.chats.answers() and "leaves" in world.chats.answers()[-1].text)
    await wire.cut()
    model.hold.set()
    async with asyncio.timeout(30):
        while "an answer's end waits" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.02)
    await wire.mend()
    await world.chats.until(lambda: world.chats.answers()[-1].state is AnswerState.DONE)
    assert "The tea leaves settle." in world.chats.answers()[-1].text
    assert "restarted" not in world.chats.text()


async def test_what_was_sent_is_not_sent_again_whatever_fails_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.app is not None
    ann = await world.owner()
    await world.running(ann)
    failed = asyncio.Event()

    async def fails(*_: Any) -> None:
        failed.set()
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(world.app._notices, "_sent", fails)
    monkeypatch.setattr(notices, "_RETRY", timedelta(0))
    world.trainings.finish()
    await failed.wait()
    async with asyncio.timeout(20):
        while True:
            async with world.app.core.database.transaction() as session:
                states = list(await session.scalars(text("SELECT state FROM outbox WHERE kind = 'push'")))
            if states and set(states) <= {"sent", "unknown", "failed"}:
                break
            await asyncio.sleep(0.02)
    assert states == ["sent"]
    assert len(world.titles("is done")) == 1


async def test_outages_are_no_reason_to_give_a_request_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.app is not None
    ann = await world.owner()
    app, member, left = world.app, world.app.core.access.member, OUTAGES

    async def often_away(account: Any) -> Member:
        nonlocal left
        left -= 1
        if left >= 0:
            raise DatabaseAway("too many clients")
        return await member(account)

    monkeypatch.setattr(app.core.access, "member", often_away)
    await ann.says("/whoami")
    async with asyncio.timeout(60):
        while left >= 0:
            await app._rounds.look()
            await asyncio.sleep(0)
    await world.chats.until(lambda: world.chats.shows("Your role") or world.chats.shows("admin"))
    assert not world.titles("Something went wrong")


async def test_a_database_that_only_reads_is_away(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()
    with pytest.raises(Exception, match="read-only") as refused:  # noqa: PT012
        async with database.transaction() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            session.add(Setting(name="a", value="b"))
    assert away(refused.value)
    with pytest.raises(Exception, match="statement timeout") as late:  # noqa: PT012
        async with database.transaction() as session:
            await session.execute(text("SET LOCAL statement_timeout = 10"))
            await session.execute(text("SELECT pg_sleep(5)"))
    assert away(late.value)
    with pytest.raises(Exception, match="division") as ours:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1 / 0"))
    assert not away(ours.value)
    assert away(PoolTimeout("no connection became free"))
    await database.close()


async def test_a_connection_that_died_while_it_lay_idle_is_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, other = Database(database_url, connections=1), Database(database_url)
    monkeypatch.setattr("storage.database._IDLE_SECONDS", 0.0)
    async with database.transaction() as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with other.transaction() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT pg_backend_pid()")) != pid
    await database.close()
    await other.close()
