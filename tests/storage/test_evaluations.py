"""Evaluations: one process's as long as it lives, and no longer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from bot.services.promotion import Promotion
from storage.database import Database
from storage.repositories import conversations, evaluations, leases, models, people, reviews, votes
from storage.tables import Evaluation, Person, Replica, TunedModel
from tests.storage.test_repositories import make_job

LEASE = timedelta(seconds=60)


async def queued(database: Database, *processes: str) -> None:
    """An evaluation waits, and these processes live."""
    job = await make_job(database)
    async with database.transaction() as session:
        facts: dict[str, Any] = {
            "system_prompt": "",
            "sampling": {},
            "validation_before": None,
            "validation_after": None,
        }
        model = await models.create(session, job, "m", **facts)
        session.add(Evaluation(model_id=model.id, state="queued", progress={}, created_at=datetime.now(UTC)))
        for name in processes:
            await leases.enlist(session, name, 15)


async def claimed(database: Database, owner: str) -> bool:
    async with database.transaction() as session:
        return await evaluations.claim(session, owner, LEASE) is not None


async def test_what_a_dead_process_worked_on_is_free_before_its_lease_is_over(database: Database) -> None:
    await queued(database, "one", "two")
    assert await claimed(database, "one")
    assert not await claimed(database, "two")
    async with database.transaction() as session:
        gone = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(Replica).where(Replica.id == "one").values(until=gone))
    assert await claimed(database, "two")
    assert not await claimed(database, "one")


async def _somebody_waits(database: Database) -> bool:
    async with database.transaction() as session:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(await session.scalar(text(waiting)))


async def test_two_processes_that_find_the_same_model_queue_it_once(database: Database) -> None:
    await queued(database)
    async with database.transaction() as session:
        await session.execute(delete(Evaluation))
    first_is_there = asyncio.Event()

    async def first() -> None:
        async with database.transaction() as session:
            await evaluations.queue_missing(session)
            first_is_there.set()
            # On SQLite the other one cannot even begin its transaction.
            while not database.is_sqlite and not await _somebody_waits(database):  # noqa: ASYNC110 - its locks have no event
                await asyncio.sleep(0.02)

    async def second() -> None:
        await first_is_there.wait()
        async with database.transaction() as session:
            await evaluations.queue_missing(session)

    await asyncio.gather(first(), second())
    async with database.transaction() as session:
        assert len(list(await session.scalars(select(Evaluation)))) == 1


async def test_one_that_waits_is_not_free_before_its_time(database: Database) -> None:
    await queued(database, "one")
    assert await claimed(database, "one")
    async with database.transaction() as session:
        await evaluations.release(session, "one", timedelta(seconds=30))
    assert not await claimed(database, "one")
    async with database.transaction() as session:
        await session.execute(update(Evaluation).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    assert await claimed(database, "one")


async def test_of_two_votes_at_once_one_stands(database: Database) -> None:
    await queued(database)
    async with database.transaction() as session:
        person = await people.create(session, "Ben", "trainer", None)

    async def cast(winner: str) -> bool:
        async with database.transaction() as session:
            return await votes.cast(session, 1, "base", "q", person.id, winner)

    assert sorted(await asyncio.gather(*(cast(winner) for winner in ("tuned", "other", "equal", "tuned")))) == [
        *[False] * 3,
        True,
    ]
    async with database.transaction() as session:
        assert len(await votes.of(session, 1, "base")) == 1


async def test_of_two_decisions_at_once_one_stands(database: Database) -> None:
    await queued(database)
    async with database.transaction() as session:
        person = await people.create(session, "Ben", "trainer", None)
        talk = await conversations.at(session, "chats", "ben", "", "private")
        answer = await conversations.add(session, talk.id, "assistant", "…", "done", language="en")

    async def decide(state: str) -> bool:
        async with database.transaction() as session:
            return await reviews.decide(session, answer_id=answer.id, person_id=person.id, state=state)

    assert sorted(await asyncio.gather(decide("accepted"), decide("rejected"))) == [False, True]


async def test_an_alias_is_moved_by_one_at_a_time(database: Database) -> None:
    await queued(database)

    async def point(model_id: int | None) -> None:
        async with database.transaction() as session:
            await models.point(session, model_id, None, "poet")

    # The first to come makes the row; nobody meets another's half of it.
    await asyncio.gather(*(point(model_id) for model_id in (1, None, 1, None, 1)))
    async with database.transaction() as session:
        row = await models.alias(session, "poet")
    assert row is not None
    assert {row.model_id, row.former_id} == {1, None}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_wish_is_not_lost_to_the_end_that_comes_at_the_same_moment(database: Database) -> None:
    await queued(database, "one")
    assert await claimed(database, "one")
    async with database.transaction() as session:
        model = (await session.scalars(select(TunedModel))).one()
        person = (await session.scalars(select(Person))).first()
        assert person is not None
    promotion = Promotion(database, evaluated=True, two_people=False, draws=lambda _: False)
    member = Member(person.id, person.name, Role.LEAD, None)
    async with database.transaction() as session:
        evaluation = await evaluations.of_model(session, model.id)
        assert evaluation is not None
        assert await evaluations.end(session, evaluation.id, "one", "failed")
        wish = asyncio.create_task(promotion.promote(model.version, member))
        async with asyncio.timeout(60):
            while not await _somebody_waits(database):  # noqa: ASYNC110 - another connection's lock has no event
                await asyncio.sleep(0.01)
        assert await promotion.settle(session, model) == []
    with pytest.raises(UserError, match="evaluation_failed"):
        await wish
