"""Power cuts at any moment, on a bad day: a share of calls refused, a share of answers lost on their way."""

import asyncio
import itertools
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.crash.outside import Outside
from tests.crash.replicas import Balancer, Postgres, free_ports
from tests.crash.story import Bot, Story, counts, leaks
from tests.fakes.model import KEY, model_stand_in
from tests.fakes.telegram import DropAfter, DropBefore, TelegramStandIn
from tests.fakes.telegram.flood import Flood, Rules

KILLS = int(os.environ.get("TUNETELLER_KILLS", "30"))
REFUSED, LOST, REPLAYED = 0.15, 0.05, 0.3
REPLICAS, POSTGRES_EVERY = 3, 25
HOOK_SECRET = "the-secret-of-the-hook-and-nothing-else"


Kill = Callable[[], Awaitable[None]]


async def cuts(kill: Kill, telegram: TelegramStandIn, dice: random.Random) -> None:
    """Cut the power so often; lose some answers of the platform meanwhile."""
    for _ in range(KILLS):
        # The moment has to be any: there is no event to wait for.
        await asyncio.sleep(dice.uniform(0.5, 5.0))
        for method in ("sendMessage", "editMessageText"):
            # What was lost already is tried again later and later: losses must not wait for it in a queue.
            if dice.random() < 10 * LOST and not telegram.has_trouble(method):
                telegram.next(method, dice.choice((DropBefore, DropAfter))())
        await kill()


async def live(story: Story, outside: Outside, killing: asyncio.Task[None]) -> list[str]:
    """Train and talk for as long as there is killing. Returns what was trained."""
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
            if killing.done():
                break
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    assert not killing.cancelled()
    killing.result()
    assert len(outside.trainings.started) == len(trained), "each was started once"
    assert [story.notices(name) for name in trained if story.notices(name) > 1] == [], "told once"
    return trained


def told(story: Story, trained: Sequence[str], starts: int, replays: int = 0) -> str:
    """What happened, for whoever reads the test's output."""
    withheld = sum(story.notices(name) == 0 for name in trained)
    return f"{starts} starts, {len(trained)} trainings, {withheld} notices withheld, {replays} updates replayed"


def luck() -> int:
    """Another bad day each time, which can be repeated."""
    seed = int(os.environ.get("TUNETELLER_SEED", "0")) or random.randrange(1, 1_000_000)  # noqa: S311
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    return seed


@pytest.mark.timeout(900 + 12 * KILLS)
async def test_whenever_the_power_is_cut(tmp_path: Path) -> None:
    seed = luck()
    database_url = f"sqlite:///{tmp_path / 'test.db'}"
    async with (
        TelegramStandIn(flood=Flood(Rules(storm=REFUSED, storm_longest=1, seed=seed, burst=100))) as telegram,
        Outside(trouble=REFUSED, seed=seed) as outside,
        model_stand_in() as model,
        Bot(tmp_path, database_url, telegram, outside, model) as bot,
    ):

        async def kill() -> None:
            bot.kill()

        story = Story(telegram, outside, 1001)
        killing = asyncio.create_task(cuts(kill, telegram, random.Random(seed)))  # noqa: S311
        trained = await live(story, outside, killing)
        assert list(await counts(database_url, "jobs", "datasets", "models")) == [len(trained)] * 3
        assert await leaks(database_url, bot.log, (telegram.token, KEY)) == []
        print(told(story, trained, bot.starts))  # noqa: T201


@pytest.mark.timeout(900 + 15 * KILLS)
async def test_whichever_of_three_is_killed(tmp_path: Path) -> None:
    seed = luck()
    dice = random.Random(seed)  # noqa: S311
    ports = free_ports(REPLICAS)
    async with (
        TelegramStandIn(
            local=True, flood=Flood(Rules(storm=REFUSED, storm_longest=1, seed=seed, burst=100))
        ) as telegram,
        Outside(trouble=REFUSED, seed=seed) as outside,
        model_stand_in() as model,
        Postgres() as postgres,
        Balancer(ports, replayed=REPLAYED, seed=seed) as balancer,
        AsyncExitStack() as stack,
    ):
        bots = [
            await stack.enter_async_context(
                Bot(
                    tmp_path,
                    postgres.url,
                    telegram,
                    outside,
                    model,
                    TELEGRAM_WEBHOOK_URL=balancer.address,
                    TELEGRAM_WEBHOOK_LISTEN=f"127.0.0.1:{port}",
                    TELEGRAM_WEBHOOK_SECRET=HOOK_SECRET,
                    TUNETELLER_LEASE_SECONDS="3",
                )
            )
            for port in ports
        ]
        done = 0

        async def kill() -> None:
            nonlocal done
            done += 1
            if done % POSTGRES_EVERY == 0:
                await postgres.kill()
            else:
                dice.choice(bots).kill()

        story = Story(telegram, outside, 1001)
        killing = asyncio.create_task(cuts(kill, telegram, dice))
        trained = await live(story, outside, killing)
        assert list(await counts(postgres.url, "jobs", "datasets", "models")) == [len(trained)] * 3
        assert await leaks(postgres.url, bots[0].log, (telegram.token, KEY, HOOK_SECRET)) == []
        starts = sum(bot.starts for bot in bots)
        print(told(story, trained, starts, balancer.replays), postgres.kills, "times PostgreSQL itself")  # noqa: T201
