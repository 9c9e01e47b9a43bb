"""Power cuts at any moment, on a bad day: a share of calls refused, a share of answers lost on their way."""

import asyncio
import itertools
import os
import random
from pathlib import Path

import pytest

from tests.crash.outside import Outside
from tests.crash.story import Bot, Story, counts
from tests.fakes.model import model_stand_in
from tests.fakes.telegram import DropAfter, DropBefore, TelegramStandIn
from tests.fakes.telegram.flood import Flood, Rules

KILLS = int(os.environ.get("TUNETELLER_KILLS", "30"))
REFUSED, LOST = 0.15, 0.05


async def cuts(bot: Bot, telegram: TelegramStandIn, dice: random.Random) -> None:
    """Cut the power so often; lose some answers of the platform meanwhile."""
    for _ in range(KILLS):
        # The moment has to be any: there is no event to wait for.
        await asyncio.sleep(dice.uniform(0.5, 5.0))
        for method in ("sendMessage", "editMessageText"):
            if dice.random() < 10 * LOST:
                telegram.next(method, dice.choice((DropBefore, DropAfter))())
        bot.kill()


@pytest.mark.timeout(240 + 12 * KILLS)
async def test_whenever_the_power_is_cut(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)  # noqa: S311 - printed, so that a failure can be repeated
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    database_url = f"sqlite:///{tmp_path / 'test.db'}"
    async with (
        TelegramStandIn(flood=Flood(Rules(storm=REFUSED, storm_longest=1, seed=seed, burst=100))) as telegram,
        Outside(trouble=REFUSED, seed=seed) as outside,
        model_stand_in() as model,
        Bot(tmp_path, database_url, telegram, outside, model) as bot,
    ):
        story = Story(telegram, outside, 1001)
        killer = asyncio.create_task(cuts(bot, telegram, random.Random(seed)))  # noqa: S311
        trained: list[str] = []
        try:
            await story.enters()
            for number in itertools.count():
                name = f"teller{number}"
                await story.trains(name)
                trained.append(name)
                await story.ends(name)
                for question in range(3):
                    await story.talks(f"{name} {question}?")
                if killer.done():
                    break
        finally:
            killer.cancel()
            await asyncio.gather(killer, return_exceptions=True)
        assert killer.done()
        assert len(outside.trainings.started) == len(trained), "each was started once"
        assert [story.notices(name) for name in trained if story.notices(name) > 1] == [], "told once"
        jobs, datasets, models = await counts(database_url, "jobs", "datasets", "models")
        assert (jobs, datasets, models) == (len(trained),) * 3
        assert telegram.token not in bot.log
        withheld = sum(story.notices(name) == 0 for name in trained)
        print(f"{bot.starts} starts, {len(trained)} trainings, {withheld} notices withheld")  # noqa: T201
