"""Leases on both databases: one owner at a time, a dead one's are free, a stalled one stores nothing."""

import asyncio

import pytest

from storage.database import Database
from storage.repositories import leases, outbox, updates
from storage.repositories.leases import Hold, LeaseLost
from tests.storage.test_repositories import notice

LONG, OVER = 60.0, -1.0


async def enlist(database: Database, replica: str, seconds: float = LONG) -> None:
    async with database.transaction() as session:
        await leases.enlist(session, replica, seconds)


async def take(database: Database, name: str, replica: str) -> Hold:
    async with database.transaction() as session:
        return await leases.take(session, name, replica)


async def test_one_of_many_gets_it(database: Database) -> None:
    names = [f"r{n}" for n in range(6)]
    for name in names:
        await enlist(database, name)
    found = await asyncio.gather(*(take(database, "chat:web:7", name) for name in names))
    assert sorted(found, key=lambda hold: hold.value) == [Hold.ELSEWHERE] * 5 + [Hold.TAKEN]
    owner = names[found.index(Hold.TAKEN)]
    assert await take(database, "chat:web:7", owner) is Hold.HELD


async def test_what_a_dead_process_held_is_free(database: Database) -> None:
    await enlist(database, "old", OVER)
    await enlist(database, "new")
    assert await take(database, "watch:local", "old") is Hold.TAKEN
    assert await take(database, "watch:local", "new") is Hold.TAKEN
    assert await take(database, "watch:local", "new") is Hold.HELD


async def test_a_process_that_was_given_up_cannot_renew(database: Database) -> None:
    await enlist(database, "slow", OVER)
    await enlist(database, "quick")
    async with database.transaction() as session:
        assert not await leases.renew(session, "slow", LONG)
        assert await leases.renew(session, "quick", LONG)
        assert await leases.alive(session) == 1


async def test_the_same_name_again_holds_nothing(database: Database) -> None:
    await enlist(database, "a")
    await enlist(database, "b")
    await take(database, "n", "a")
    await enlist(database, "a")
    assert await take(database, "n", "b") is Hold.TAKEN


async def test_who_retires_or_releases_leaves_it_to_others(database: Database) -> None:
    await enlist(database, "a")
    await enlist(database, "b")
    await take(database, "n", "a")
    await take(database, "m", "a")
    async with database.transaction() as session:
        await leases.release(session, ["n"], "b")
    assert await take(database, "n", "b") is Hold.ELSEWHERE, "nobody gives back what another has"
    async with database.transaction() as session:
        await leases.release(session, ["n"], "a")
    assert await take(database, "n", "b") is Hold.TAKEN
    async with database.transaction() as session:
        await leases.retire(session, "a")
    assert await take(database, "m", "b") is Hold.TAKEN


async def test_who_has_lost_it_stores_nothing(database: Database) -> None:
    await enlist(database, "slow", OVER)
    await enlist(database, "quick")
    await take(database, "n", "slow")
    await take(database, "n", "quick")

    async def store() -> None:
        async with database.transaction() as session:
            await outbox.add(session, notice("k"))
            await leases.guard(session, "n", "slow")

    with pytest.raises(LeaseLost):
        await store()
    async with database.transaction() as session:
        assert await outbox.due(session, 10) == []
        await leases.guard(session, "n", "quick")


async def test_work_of_chats_that_others_have_is_left_to_them(database: Database) -> None:
    for name in ("a", "b"):
        await enlist(database, name)
    await take(database, leases.chat_lease("web", "room"), "a")
    async with database.transaction() as session:
        await outbox.add(session, notice("k"))
        await updates.add(session, "web", "1", "room", "message {}")
        await updates.add(session, "web", "2", "other", "message {}")
    async with database.transaction() as session:
        assert [row.key for row in await outbox.due(session, 10, "a")] == ["k"]
        assert await outbox.due(session, 10, "b") == []
        assert len(await updates.open_events(session, "a")) == 2
        assert await updates.open_events(session, "b") == [("web", "other", "2")]
