"""The ledger, on both databases: what is left is never given twice."""

import asyncio

from finetune.jobs import JobState
from storage.database import Database
from storage.repositories import jobs, ledger
from storage.repositories.ledger import TEAM, Shortage, month_of
from storage.tables import Job
from tests.storage.test_repositories import make_job


async def reserve(database: Database, job: Job, micros: int) -> Shortage | None:
    async with database.transaction() as session:
        return await ledger.reserve(session, job, micros, "CNY", "test")


async def left(database: Database, job: Job) -> int:
    async with database.transaction() as session:
        return await ledger.booked(session, TEAM, "CNY", month_of(job.created_at))


async def test_of_many_at_once_only_those_that_fit_are_taken(database: Database) -> None:
    found = [await make_job(database, f"job-{number}") for number in range(8)]
    async with database.transaction() as session:
        await ledger.set_budget(session, TEAM, "CNY", 35, None)
    answers = await asyncio.gather(*(reserve(database, job, 10) for job in found))
    assert sum(answer is None for answer in answers) == 3
    assert {answer.left for answer in answers if answer is not None} == {5}
    assert await left(database, found[0]) == 30


async def test_the_same_job_is_reserved_once_and_settled_once(database: Database) -> None:
    job = await make_job(database)
    for _ in range(3):
        assert await reserve(database, job, 10) is None
    assert await left(database, job) == 10
    async with database.transaction() as session:
        assert await ledger.unsettled(session) == []
        await jobs.move(session, job.id, JobState.QUEUED, JobState.SUCCEEDED, "")
    async with database.transaction() as session:
        assert [found.id for found in await ledger.unsettled(session)] == [job.id]
    for _ in range(3):
        async with database.transaction() as session:
            await ledger.settle(session, job, (7, "CNY"), "bill")
    assert await left(database, job) == 7
    async with database.transaction() as session:
        assert await ledger.unsettled(session) == []
        assert await ledger.cost(session, job.id) == (7, "CNY", True, "bill")


async def test_a_cost_in_another_currency_takes_the_place_of_the_estimate(database: Database) -> None:
    job = await make_job(database)
    await reserve(database, job, 10)
    async with database.transaction() as session:
        await jobs.move(session, job.id, JobState.QUEUED, JobState.FAILED, "")
        await ledger.settle(session, job, None, "")
        assert await ledger.cost(session, job.id) == (10, "CNY", False, "test")
        await ledger.told(session, job, 2, "USD", "bill")
        assert await ledger.cost(session, job.id) == (2, "USD", True, "bill")
    assert await left(database, job) == 0


async def test_a_budget_ends_and_its_history_stays(database: Database) -> None:
    async with database.transaction() as session:
        await ledger.set_budget(session, TEAM, "CNY", 5, None)
        await ledger.set_budget(session, TEAM, "CNY", 9, None)
        assert await ledger.budget(session, TEAM, "CNY") == 9
        await ledger.set_budget(session, TEAM, "CNY", None, None)
        assert await ledger.budget(session, TEAM, "CNY") is None
        assert await ledger.budgets(session) == []


async def test_a_used_up_budget_stops_runs_of_unknown_price(database: Database) -> None:
    job = await make_job(database)
    async with database.transaction() as session:
        await ledger.set_budget(session, ledger.person(job.person_id), "CNY", 10, None)
        assert await ledger.nothing_left(session, job.person_id) is None
    await reserve(database, job, 10)
    async with database.transaction() as session:
        short = await ledger.nothing_left(session, job.person_id)
    assert short is not None
    assert short.left == 0
