"""How many notices are withheld, where only processes are killed: few (who died while pushing may have pushed)."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from finetune.jobs import JobState
from finetune.providers.provider import Status
from storage.clock import now
from storage.database import Database
from storage.tables import Job, OutboxRow
from tests.crash.outside import Outside
from tests.crash.story import Bot, Story
from tests.crash.test_kills import KILLS, luck
from tests.fakes.model import model_stand_in
from tests.fakes.telegram import Person, TelegramStandIn

ENDS = 5 * KILLS
MOST = 0.03


async def running(database_url: str, outside: Outside, people: list[Person]) -> None:
    """Everybody has a training that runs, as the one that was really made does."""
    database = Database(database_url)
    async with database.transaction() as session:
        made = (await session.scalars(select(Job))).one()
        columns = {column.name: getattr(made, column.name) for column in Job.__table__.columns}
    rows = []
    for number, person in enumerate(people):
        key = f"run-{number}"
        outside.trainings.statuses[key] = Status(JobState.RUNNING, "training", heartbeat_age=0.0)
        rows.append(
            {
                **{name: value for name, value in columns.items() if name != "id"},
                "key": key,
                "handle": key,
                "name": f"teller {number}",
                "chat": str(person.id),
                "request_message": None,
                "card_message": None,
                "state": JobState.RUNNING.value,
                "ended_at": None,
                "created_at": now(),
            }
        )
    async with database.connection() as connection:
        await connection.execute(insert(Job), rows)
    await database.close()


async def settled(database_url: str, count: int) -> dict[str, int]:
    """How many pushes came to which state, once all that are to come have."""
    database = Database(database_url)
    try:
        async with asyncio.timeout(180):
            while True:
                async with database.transaction() as session:
                    states = Counter(await session.scalars(select(OutboxRow.state).where(OutboxRow.kind == "push")))
                if states["sent"] + states["unknown"] == count:
                    return states
                await asyncio.sleep(0.1)  # a fact of another process, which nothing here could tell of
    finally:
        await database.close()


@pytest.mark.timeout(600 + 3 * ENDS)
async def test_few_notices_are_withheld_and_none_comes_twice(tmp_path: Path) -> None:
    dice = random.Random(luck())  # noqa: S311
    database_url = f"sqlite:///{tmp_path / 'test.db'}"
    async with (
        TelegramStandIn() as telegram,
        Outside() as outside,
        model_stand_in() as model,
        Bot(tmp_path, database_url, telegram, outside, model) as bot,
    ):
        story = Story(telegram, outside, 1001)
        await story.enters()
        await story.trains("first")
        await story.ends("first")
        people = [telegram.person(2000 + number, f"P{number}", "en") for number in range(ENDS)]
        await running(database_url, outside, people)

        async def cuts() -> None:
            while True:
                await asyncio.sleep(dice.uniform(0.5, 5.0))
                bot.kill()

        cutting = asyncio.create_task(cuts())
        for number in range(ENDS):
            # The moments have to be any, as those of the cuts.
            await asyncio.sleep(dice.uniform(0.0, 0.4))
            ended = outside.trainings.statuses[f"run-{number}"]
            outside.trainings.statuses[f"run-{number}"] = replace(
                ended, state=JobState.SUCCEEDED, word="finished", model=f"tuned:run-{number}"
            )
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
        states = await settled(database_url, ENDS + 1)
        pushed = [
            sum(f"teller {number} is done" in shown.text for shown in telegram.messages(person))
            for number, person in enumerate(people)
        ]
        print(f"{bot.starts} starts, {ENDS} ends, {pushed.count(0)} withheld, {dict(states)}")  # noqa: T201
        assert max(pushed) == 1
        assert pushed.count(0) <= states["unknown"]
        assert pushed.count(0) < MOST * ENDS
