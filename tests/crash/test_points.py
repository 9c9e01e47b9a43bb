"""The process ends between two steps, at each of the places where that could hurt, on both databases."""

from pathlib import Path

import pytest

from tests.crash.outside import Outside
from tests.crash.story import Bot, Story, counts, leaks
from tests.fakes.model import KEY, model_stand_in
from tests.fakes.telegram import TelegramStandIn

NAMES = ("teller", "oracle", "seer", "sibyl")
REPOSITORIES = "storage.repositories"
POINTS = [
    # Intake: an update is stored and not acknowledged; its handling has begun; its effects are stored, that is not.
    f"{REPOSITORIES}.updates:add:after:2",
    f"{REPOSITORIES}.updates:attempted:after:3",
    f"{REPOSITORIES}.updates:handled:before:2",
    # An upload: its bytes are kept and nothing knows of them; the dataset is stored, its card is not shown.
    "bot.services.library:Library.judge:before:1",
    f"{REPOSITORIES}.datasets:create:after:1",
    "bot.services.library:Library.judge:after:1",
    # A job: the intent is in its transaction; it is stored; it is submitted and nobody knows; its handle is stored.
    f"{REPOSITORIES}.jobs:create:before:1",
    f"{REPOSITORIES}.jobs:create:after:1",
    "bot.services.training:Training.start:after:1",
    "tests.crash.outside:OutsideProvider.submit:before:1",
    "tests.crash.outside:OutsideProvider.submit:after:1",
    f"{REPOSITORIES}.buttons:use:before:1",
    # Its end: found out; in the transaction with the model and the notice; stored.
    f"{REPOSITORIES}.models:create:before:1",
    f"{REPOSITORIES}.models:create:after:1",
    f"{REPOSITORIES}.outbox:add:after:2",
    # The notice: chosen; marked as being sent; sent and not noted; noted.
    f"{REPOSITORIES}.outbox:begin:before:1",
    f"{REPOSITORIES}.outbox:settle:before:1",
    f"{REPOSITORIES}.outbox:settle:after:1",
    # An answer: asked; begun; its message stands there and nobody knows; said to the end and not kept; kept.
    f"{REPOSITORIES}.conversations:add:before:1",
    f"{REPOSITORIES}.conversations:add:after:2",
    f"{REPOSITORIES}.conversations:history:after:1",
    "bot.services.replies:Reply._standing:before:1",
    "bot.services.replies:Reply._keep:before:1",
    "bot.services.replies:Reply._keep:after:2",
]


@pytest.mark.timeout(1200)
async def test_every_point(tmp_path: Path, database_url: str) -> None:
    async with (
        TelegramStandIn() as telegram,
        Outside() as outside,
        model_stand_in() as model,
    ):
        bot = Bot(tmp_path, database_url, telegram, outside, model)
        bot.points = list(POINTS)
        async with bot:
            story = Story(telegram, outside, 1001)
            await story.enters()
            # A death may spare the process another point: the way is gone until each was met.
            for name in NAMES:
                await story.trains(name)
                await story.ends(name)
                for number in range(4):
                    await story.talks(f"{name} {number}?")
                if set(bot.reached) >= set(POINTS):
                    break
        missed = [point for point in POINTS if point not in bot.reached]
        assert not missed, f"never reached: {missed}"
        trained = NAMES[: NAMES.index(name) + 1]
        assert len(outside.trainings.started) == len(trained), "each was started once"
        assert all(story.notices(each) <= 1 for each in trained)
        assert await leaks(database_url, bot.log, (telegram.token, telegram.token.partition(":")[2], KEY)) == []
        jobs, datasets, models = await counts(database_url, "jobs", "datasets", "models")
        assert (jobs, datasets, models) == (len(trained),) * 3
