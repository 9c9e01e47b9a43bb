"""What a person does from the first word to the tuned model's answer, while the bot dies under them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import MetaData, select, text

from storage.database import Database
from tests.crash.outside import Outside
from tests.fakes.model import KEY, ModelStandIn
from tests.fakes.telegram import Shown, TelegramStandIn

CODE = "THE-OWNERS-CODE"
ROOT = Path(__file__).parents[2]
PATIENCE = 400.0
A_WHILE = 15.0
_LAST_LINES = 40


def dataset(name: str, rows: int = 12) -> bytes:
    """A good little dataset."""
    lines = [
        {
            "messages": [
                {"role": "system", "content": "You tell fortunes."},
                {"role": "user", "content": f"{name}: should I take road number {n}?"},
                {"role": "assistant", "content": f"The leaves of {name} settle on the number {n}: take it slowly."},
            ]
        }
        for n in range(rows)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


class Bot:
    """The bot's processes, one after the other: one that dies is replaced at once."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        telegram: TelegramStandIn,
        outside: Outside,
        model: ModelStandIn,
        **settings: str,
    ) -> None:
        self._folder = folder
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("TUNETELLER_", "TELEGRAM_", "DISCORD_"))
            },
            "TUNETELLER_DATA_DIR": str(folder / "data"),
            "TUNETELLER_WEB_PORT": "0",
            "TUNETELLER_LOG_LEVEL": "debug",
            "TUNETELLER_EVALUATION_QUESTIONS": "0",
            "DATABASE_URL": database_url,
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_BASE": telegram.api_base,
            "PYTHONPATH": str(ROOT),
            **settings,
        }
        self._arguments = (outside.address, model.endpoint.base_url, KEY, str(folder))
        self.points: list[str] = []
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def reached(self) -> list[str]:
        """The points at which a process ended, in order."""
        file = self._folder / "points"
        return file.read_text().splitlines() if file.exists() else []

    async def __aenter__(self) -> Self:
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._keeper is not None
        if kind is not None:
            told = [line for line in self.log.splitlines() if line.startswith("20")]
            print("the last that they said:", *told[-_LAST_LINES:], sep="\n")  # noqa: T201 - for the test's report
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _keep(self) -> None:
        while True:
            left = [point for point in self.points if point not in self.reached]
            with (self._folder / "bot.log").open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "tests.crash.victim",
                    *self._arguments,
                    *left,
                    env=self._environment,
                    cwd=self._folder,
                    stdout=log,
                    stderr=log,
                )
            self.starts += 1
            await self._process.wait()

    def kill(self) -> None:
        """A power cut."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    @property
    def log(self) -> str:
        """Everything that all of them wrote."""
        return (self._folder / "bot.log").read_text("utf-8", "replace")


class Story:
    """One person's way through the whole product."""

    def __init__(self, telegram: TelegramStandIn, outside: Outside, person_id: int) -> None:
        self._telegram = telegram
        self._outside = outside
        self.ming = telegram.person(person_id, f"Ming{person_id}", "en")

    def texts(self) -> list[str]:
        """What stands in the chat, oldest first."""
        return [shown.text for shown in self._telegram.messages(self.ming)]

    def has(self, words: str) -> bool:
        """Whether something stands there."""
        return any(words in each for each in self.texts())

    def offers(self, label: str) -> list[Shown]:
        """Messages with a button."""
        return [shown for shown in self._telegram.messages(self.ming) if label in shown.labels]

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait, however often the bot dies meanwhile."""
        try:
            await self._telegram.wait_for(holds, PATIENCE)
        except (TimeoutError, AssertionError) as error:
            raise AssertionError(f"{what} never came; the chat says: {self.texts()}") from error

    async def enters(self) -> None:
        """Become the owner."""
        greeted = lambda: self.has("I am Tuneteller") or self.has("used already")  # noqa: E731
        await self.again(lambda: self.ming.says(f"/start {CODE}"), greeted, "greeting")

    async def trains(self, name: str) -> None:
        """Upload a dataset and start a training of it."""
        await self.ming.sends_file(f"{name}.jsonl", dataset(name))
        await self.until(lambda: any(name in each and "/ds_" in each for each in self.texts()), "the dataset's card")
        started = len(self._outside.trainings.started)
        before = len(self.offers("Start"))
        await self.again(lambda: self.ming.says("/train"), lambda: len(self.offers("Start")) > before, "confirm card")
        await self.ming.presses(self.offers("Start")[-1], "Start")
        await self.until(lambda: len(self._outside.trainings.started) > started, "the training")

    async def ends(self, name: str) -> None:
        """The trainings end, and that is seen."""
        self._outside.trainings.finish()
        await self.until(lambda: self.outcome(name), f"the outcome of {name}")

    def outcome(self, name: str) -> bool:
        """Whether the end of a training can be seen: the notice, or the job's card."""
        return self.notices(name) > 0 or any(f"· {name} · done" in each for each in self.texts())

    def notices(self, name: str) -> int:
        """How many notices of its end were pushed."""
        return sum(f"{name} is done" in each for each in self.texts())

    async def talks(self, question: str) -> None:
        """Ask, and get a whole answer."""
        before = len(self.offers("Answer again"))
        await self.ming.says(question)
        there = lambda: len(self.offers("Answer again")) > before  # noqa: E731
        try:
            await self._telegram.wait_for(there, A_WHILE)
        except (TimeoutError, AssertionError):
            # Its last word may have been lost on the way, and is not sent twice.
            await self.again(lambda: self.ming.says("/last"), there, "the answer")

    async def again(self, act: Callable[[], Awaitable[object]], holds: Callable[[], object], what: str) -> None:
        """Do what people do whose message seems to have been lost: write it again after a while."""
        for _ in range(int(PATIENCE / A_WHILE)):
            await act()
            try:
                await self._telegram.wait_for(holds, A_WHILE)
            except (TimeoutError, AssertionError):
                continue
            return
        raise AssertionError(f"the {what} never came; the chat says: {self.texts()}")


async def counts(database_url: str, *tables: str) -> Sequence[int]:
    """Rows of tables."""
    database = Database(database_url)
    try:
        async with database.transaction() as session:
            return [int(await session.scalar(text(f"SELECT count(*) FROM {name}")) or 0) for name in tables]  # noqa: S608
    finally:
        await database.close()


async def leaks(database_url: str, log: str, secrets: Sequence[str]) -> list[str]:
    """Where a secret stands that must stand nowhere: the log at its most talkative, any row of any table."""
    found = [f"the log has secret {number}" for number, secret in enumerate(secrets) if secret in log]
    database = Database(database_url)
    try:
        async with database.connection() as connection:
            metadata = MetaData()
            await connection.run_sync(metadata.reflect)
            for table in metadata.sorted_tables:
                for row in await connection.execute(select(table)):
                    told = repr(tuple(row))
                    found += [
                        f"{table.name} has secret {number}" for number, each in enumerate(secrets) if each in told
                    ]
    finally:
        await database.close()
    return found
